// The deploy form: rows of variables come and go, only the field of the chosen source is shown.
(function () {
  "use strict";
  const form = document.querySelector("form.deploy");
  if (!form) return;
  const list = form.querySelector("[data-variables]");
  const row = document.getElementById("variable");
  let next = list.children.length;

  function more() {
    const item = row.content.firstElementChild.cloneNode(true);
    item.querySelectorAll("[name]").forEach((input) => { input.name = input.name.replace("N", String(next)); });
    next += 1;
    list.append(item);
    return item;
  }
  form.querySelector("[data-more]").addEventListener("click", () => more().querySelector("input").focus());
  list.addEventListener("click", (event) => {
    const drop = event.target.closest("[data-drop]");
    if (!drop) return;
    const item = drop.closest("li");
    const near = item.nextElementSibling || item.previousElementSibling || more();
    item.remove();
    near.querySelector("input").focus();
  });

  // Lines of a .env file that are pasted into a name become rows.
  list.addEventListener("paste", (event) => {
    const text = event.clipboardData.getData("text");
    if (!event.target.name.startsWith("env-name-") || !/^\s*[\w.-]+=/.test(text)) return;
    event.preventDefault();
    let item = event.target.closest("li");
    text.split(/\r?\n/).filter((line) => /^\s*(export\s+)?[\w.-]+=/.test(line)).forEach((line) => {
      const [, , name, value] = /^\s*(export\s+)?([\w.-]+)=(.*)$/.exec(line);
      const target = item || more();
      const [first, second] = target.querySelectorAll("input");
      first.value = name;
      second.value = value.replace(/^(["'])(.*)\1$/, "$2");
      item = null;
    });
  });

  const sources = form.querySelectorAll("[name=source]");
  function choose() {
    const chosen = form.querySelector("[name=source]:checked");
    form.querySelectorAll("[data-for]").forEach((part) => {
      part.hidden = !!chosen && part.dataset.for !== chosen.value;
    });
  }
  sources.forEach((one) => one.addEventListener("change", choose));
  choose();

  // While the folder is built: what the build says.
  async function follow() {
    const lines = document.getElementById("progress-lines");
    document.getElementById("progress").hidden = false;
    const answer = await fetch(form.dataset.progress).catch(() => null);
    if (!answer || !answer.ok) return;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      lines.append(value);
      lines.scrollTop = lines.scrollHeight;
    }
  }

  form.addEventListener("submit", () => {
    const button = form.querySelector("button.first");
    const folder = form.querySelector("[name=source]:checked");
    button.textContent = folder && folder.value === "folder" ? "Building…" : "Deploying…";
    setTimeout(() => { button.disabled = true; }, 0);
    if (folder && folder.value === "folder") follow();
  });
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
})();
