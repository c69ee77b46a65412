// A textarea for YAML: Tab indents, Enter keeps the indent, Escape lets Tab leave. What it changes
// can be undone: the browser itself types it.
(function () {
  "use strict";
  const STEP = "  ";

  function type(area, text) {
    if (!document.execCommand("insertText", false, text)) {
      area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    }
  }

  // The lines that the selection touches, each changed; the selection stays around them.
  function lines(area, change) {
    const { value, selectionStart, selectionEnd } = area;
    const from = value.lastIndexOf("\n", selectionStart - 1) + 1;
    const last = selectionEnd > selectionStart && value[selectionEnd - 1] === "\n" ? selectionEnd - 1 : selectionEnd;
    const end = value.indexOf("\n", last);
    const to = end < 0 ? value.length : end;
    const before = value.slice(from, to);
    const after = before.split("\n").map(change).join("\n");
    if (after === before) return;
    area.setSelectionRange(from, to);
    type(area, after);
    if (selectionStart === selectionEnd) {
      const at = Math.max(from, selectionStart + after.length - before.length);
      area.setSelectionRange(at, at);
    } else area.setSelectionRange(from, from + after.length);
  }

  function key(area, event) {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") {
      event.preventDefault();
      const check = area.form.querySelector("[data-check]");
      if (check) check.click();
      return;
    }
    if (event.key === "Escape") { area.dataset.leave = "1"; return; }
    if (event.key === "Tab" && !area.readOnly && !area.dataset.leave) {
      event.preventDefault();
      const selected = area.value.slice(area.selectionStart, area.selectionEnd);
      if (event.shiftKey) lines(area, (line) => line.replace(/^ {1,2}/, ""));
      else if (selected.includes("\n")) lines(area, (line) => (line ? STEP + line : line));
      else type(area, STEP);
    }
    if (event.key === "Enter" && !area.readOnly && !event.isComposing) {
      event.preventDefault();
      const line = area.value.slice(area.value.lastIndexOf("\n", area.selectionStart - 1) + 1, area.selectionStart);
      type(area, "\n" + /^ */.exec(line)[0] + (/:\s*$/.test(line) ? STEP : ""));
    }
    if (event.key !== "Shift" && event.key !== "Tab") delete area.dataset.leave;
  }

  document.querySelectorAll("textarea[data-editor]").forEach((area) => {
    const opened = area.value;
    let sent = false;
    area.addEventListener("keydown", (event) => key(area, event));
    area.addEventListener("blur", () => delete area.dataset.leave);
    area.form.addEventListener("submit", (event) => {
      sent = !event.submitter || event.submitter.value !== "check";
    });
    document.addEventListener("htmx:afterSwap", () => { sent = false; });
    window.addEventListener("beforeunload", (event) => {
      if (!sent && area.value !== opened) event.preventDefault();
    });
  });
})();
