// What pages need beyond htmx: a stream that rests while nobody looks, and small helpers.
// Behaviour hangs on data attributes; nothing is inline.
(function () {
  "use strict";

  // --- one stream a page ------------------------------------------------------------------------
  // Browsers open six connections to a server, and each stream takes one: a page that is hidden
  // lets go of its own, and is told everything when it is looked at again.
  class Stream extends EventTarget {
    constructor(url) {
      super();
      this.url = url;
      this.names = new Set();
      this.source = null;
      this.over = false;
      this.seen = () => (document.hidden ? this.rest() : this.open());
      document.addEventListener("visibilitychange", this.seen);
      if (!document.hidden) this.open();
    }
    get readyState() {
      return this.source ? this.source.readyState : this.over ? 2 : 0;
    }
    open() {
      if (this.source || this.over) return;
      const source = (this.source = new EventSource(this.url));
      source.onopen = (event) => { lost(false); if (this.onopen) this.onopen(event); };
      source.onerror = (event) => {
        lost(true);
        if (source.readyState === 2) {  // refused for good: somebody signed out, or a new page is due
          this.rest();
          setTimeout(() => { if (!document.hidden) this.open(); }, 3000);
        } else if (this.onerror) this.onerror(event);
      };
      this.names.forEach((name) => this.listen(name));
    }
    rest() {
      if (this.source) this.source.close();
      this.source = null;
    }
    close() {
      this.over = true;
      this.rest();
      document.removeEventListener("visibilitychange", this.seen);
    }
    listen(name) {
      this.source.addEventListener(name, (event) => {
        const id = name === "html" ? /id="([^"]+)" hx-swap-oob/.exec(event.data) : null;
        if (id && !document.getElementById(id[1])) return missing();
        this.dispatchEvent(new MessageEvent(name, { data: event.data }));
      });
    }
    addEventListener(name, listener) {
      super.addEventListener(name, listener);
      if (!this.names.has(name)) {
        this.names.add(name);
        if (this.source) this.listen(name);
      }
    }
  }
  window.htmx.createEventSource = (url) => (window.utsuwa.stream = new Stream(url));

  // A part of something that this page does not show yet: who makes such parts looks again.
  function missing() {
    document.body.dispatchEvent(new CustomEvent("utsuwa:missing"));
  }

  let complaint = null;
  function lost(is) {
    clearTimeout(complaint);
    const banner = document.getElementById("lost");
    if (!is) banner.hidden = true;
    else complaint = setTimeout(() => { banner.hidden = document.hidden; }, 2500);
  }

  // --- filter of a table: data-filter="#table" ---------------------------------------------------
  function filter(input) {
    const wanted = input.value.trim().toLowerCase();
    document.querySelectorAll(input.dataset.filter + " tbody tr").forEach((row) => {
      const head = row.querySelector("th");
      row.hidden = !!(wanted && head && !head.textContent.toLowerCase().includes(wanted));
    });
  }
  document.addEventListener("input", (event) => {
    if (event.target.dataset.filter) filter(event.target);
  });
  document.addEventListener("htmx:oobAfterSwap", () => {
    document.querySelectorAll("[data-filter]").forEach((input) => { if (input.value) filter(input); });
  });

  // --- data-copy="#element": its text to the clipboard -------------------------------------------
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    navigator.clipboard.writeText(source.value ?? source.textContent).then(() => {
      const said = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = said; }, 1500);
    });
  });

  // "/" goes to the filter, as in other consoles.
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) || event.target.isContentEditable;
    const input = document.querySelector("[data-filter]");
    if (event.key === "/" && input && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      input.focus();
    }
  });

  window.utsuwa = window.utsuwa || {};
})();
