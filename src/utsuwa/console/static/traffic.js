// Bars of the traffic: when one is drawn, the others give way in proportion, and the sum stays 100.
(function () {
  "use strict";
  const form = document.querySelector("[data-split]");
  if (!form) return;
  const bars = Array.from(form.querySelectorAll("input[type=range]"));
  let weights = null;

  function show() {
    bars.forEach((bar) => {
      bar.parentElement.querySelector("output").textContent = bar.value + " %";
      bar.setAttribute("aria-valuetext", bar.value + " percent");
    });
  }

  // What the others weigh counts from when the bar was taken: a bar that went to zero comes back.
  function take(bar) {
    if (!weights || weights.bar !== bar) weights = { bar, of: bars.map((one) => Number(one.value)) };
  }

  function giveWay(bar) {
    const others = bars.filter((one) => one !== bar);
    if (!others.length) { bar.value = 100; return; }
    const rest = 100 - Number(bar.value);
    let of = others.map((one) => weights.of[bars.indexOf(one)]);
    if (!of.some(Boolean)) of = others.map((_, at) => (at === 0 ? 1 : 0));
    const sum = of.reduce((a, b) => a + b, 0);
    const exact = of.map((weight) => (rest * weight) / sum);
    const whole = exact.map(Math.floor);
    const left = rest - whole.reduce((a, b) => a + b, 0);
    exact.map((value, at) => [value - whole[at], at]).sort((a, b) => b[0] - a[0]).slice(0, left)
      .forEach(([, at]) => { whole[at] += 1; });
    others.forEach((one, at) => { one.value = whole[at]; });
  }

  bars.forEach((bar) => {
    bar.addEventListener("pointerdown", () => { weights = null; take(bar); });
    bar.addEventListener("focus", () => { weights = null; take(bar); });
    bar.addEventListener("input", () => { take(bar); giveWay(bar); show(); });
  });
  form.addEventListener("reset", () => { setTimeout(show, 0); weights = null; });
  show();
})();
