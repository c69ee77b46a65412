// Live tail: reads lines of JSON as they come. It stays at the newest line unless one scrolls up;
// lets go of its connection while the page is hidden; keeps the last lines alone.
(function () {
  "use strict";
  const MOST = 5000;
  const form = document.querySelector("[data-logs]");
  if (!form) return;
  const list = document.getElementById("lines");
  const state = document.getElementById("logs-state");
  const newest = document.getElementById("newest");
  const pause = form.querySelector("[data-pause]");
  let reading = null, paused = false, held = [], atEnd = true, count = 0, seen = [], since = "";

  function cell(tag, name, text) {
    const node = document.createElement(tag);
    node.className = name;
    node.textContent = text;
    return node;
  }

  function row(line) {
    const item = document.createElement("li");
    item.className = "level-" + (line.level || "default").toLowerCase();
    const time = cell("time", "", new Date(line.time).toLocaleTimeString([], { hour12: false, hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 }));
    time.dateTime = line.time;
    time.title = line.time;
    const level = cell("span", "level", !line.level || line.level === "DEFAULT" ? "" : line.level.toLowerCase());
    const body = document.createElement("div");
    if (line.more) {
      const details = document.createElement("details");
      details.append(cell("summary", "", line.text), cell("pre", "", pretty(line.more)));
      body.append(details);
    } else body.textContent = line.text;
    const who = cell("span", "who-wrote", line.kind === "requests" ? "request" : (line.pod || "").split("-").pop());
    who.title = line.pod || line.kind;
    item.append(time, level, who, body);
    return item;
  }

  function pretty(text) {
    try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
  }

  function show(lines) {
    if (!lines.length) return;
    if (paused) {
      held = held.concat(lines).slice(-MOST);
      return tell();
    }
    const some = document.createDocumentFragment();
    lines.slice(-MOST).forEach((line) => some.append(row(line)));
    list.append(some);
    count = Math.min(MOST, count + lines.length);
    while (list.childElementCount > MOST) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
    newest.hidden = atEnd;
    tell();
  }

  function tell(words) {
    if (words) state.textContent = words;
    else if (paused) state.textContent = "Paused" + (held.length ? ": " + held.length + " more lines wait" : "") + ".";
    else state.textContent = count ? count + (count === MOST ? " lines, older ones left out; following." : " lines, following.") : "Nothing yet that fits; following.";
  }

  function query() {
    const wanted = new URLSearchParams();
    new FormData(form).forEach((value, name) => { if (value) wanted.set(name, value); });
    return wanted;
  }

  // A connection that ended goes on from the last line: those of that very instant come again, and
  // are dropped here.
  function fresh(line, raw) {
    const key = line.received || line.time;
    if (since && key < since) return false;
    if (key === since && seen.includes(raw)) return false;
    if (key !== since) { since = key; seen = []; }
    seen.push(raw);
    return true;
  }

  async function read() {
    if (reading || document.hidden) return;
    const mine = (reading = new AbortController());
    try {
      const wanted = query();
      if (since) { wanted.set("since", since); wanted.set("tail", "5000"); }
      const answer = await fetch(form.dataset.logs + "?" + wanted, { signal: mine.signal });
      if (answer.redirected || !answer.ok) return tell("Not to be read now: open this page again.");
      tell();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const parts = (rest + value).split("\n");
        rest = parts.pop();
        show(parts.filter(Boolean).map((raw) => [JSON.parse(raw), raw]).filter(([line, raw]) => fresh(line, raw)).map(([line]) => line));
      }
    } catch (error) {
      if (mine.signal.aborted) return;
      tell("No connection to control. What you see is as it was; this page goes on by itself.");
    } finally {
      if (reading === mine) {
        reading = null;
        if (!mine.signal.aborted) setTimeout(read, 1500);
      }
    }
  }

  function rest() {
    if (reading) reading.abort();
    reading = null;
  }

  function anew() {
    rest();
    list.replaceChildren();
    held = []; seen = []; since = ""; count = 0; atEnd = true;
    newest.hidden = true;
    const wanted = query().toString();
    history.replaceState(null, "", location.pathname + (wanted ? "?" + wanted : ""));
    read();
  }

  let typing = null;
  form.addEventListener("input", (event) => {
    clearTimeout(typing);
    typing = setTimeout(anew, event.target.tagName === "INPUT" ? 350 : 0);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.tagName === "INPUT") { event.preventDefault(); anew(); }
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Follow" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    const lines = held;
    held = [];
    if (!paused) show(lines);
    tell();
  });
  list.addEventListener("scroll", () => {
    atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 24;
    if (atEnd) newest.hidden = true;
  });
  newest.addEventListener("click", () => { list.scrollTop = list.scrollHeight; newest.hidden = true; list.focus(); });
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : read()));
  window.addEventListener("pagehide", rest);
  read();
})();
