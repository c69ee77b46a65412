// The charts of a service: one axis of time, one cursor; what comes in every second is added.
(function () {
  "use strict";
  const root = document.getElementById("charts");
  if (!root) return;
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const number = (value, digits = 1) => (value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toFixed(digits));
  const words = {
    rate: (value) => number(value),
    count: (value) => number(value),
    ms: (value) => (value >= 10000 ? number(value / 1000) + " s" : number(value) + " ms"),
    cores: (value) => (value >= 1000 ? number(value / 1000, 2) + " cores" : number(value, 0) + " m"),
    bytes: (value) => (value >= 2 ** 30 ? number(value / 2 ** 30) + " GiB" : number(value / 2 ** 20) + " MiB"),
  };
  // Bottom of a stack first. `step`: pods come and go at once; `area`: what is below is filled.
  const CHARTS = {
    requests: { unit: "rate", stack: true, lines: [["2xx", "c-2xx"], ["3xx", "c-3xx"], ["4xx", "c-4xx"], ["5xx", "c-5xx"], ["left", "c-left"]] },
    inside: { unit: "count", lines: [["inFlight", "c-inflight", "in flight"], ["waiting", "c-waiting"]] },
    pods: { unit: "count", step: true, lines: [["ready", "c-ready"], ["cold", "c-cold", "starting"], ["desired", "c-desired"]], area: ["ready"] },
    latency: { unit: "ms", lines: [["p50", "c-p50"], ["p95", "c-p95"], ["p99", "c-p99"]] },
    cpu: { unit: "cores", lines: [["cpu", "c-cpu"]], area: ["cpu"] },
    memory: { unit: "bytes", lines: [["memory", "c-memory"]], area: ["memory"] },
  };
  const COUNTS = new Set(["1xx", "2xx", "3xx", "4xx", "5xx", "left"]);
  const MARKS = { deploy: "c-2xx", panic: "c-5xx", calm: "c-left", zero: "c-left", woken: "c-cold" };

  const LEAST = { rate: 1, count: 1, ms: 10, cores: 50, bytes: 2 ** 25 };  // of what an axis spans
  const MEBIBYTES = Array.from({ length: 20 }, (_, power) => 2 ** (18 + power));

  let told = null;      // what the server told last: {grid, start, columns, marks}
  let pending = null;   // the span of the grid that is not over yet
  let chosen = "5m";
  let plots = [];
  let asked = 0;

  const times = () => Array.from({ length: told.columns.ready.length }, (_, index) => told.start + index * told.grid);

  function data(chart) {
    const rows = chart.lines.map(([name]) => told.columns[name]);
    if (!chart.stack) return [times(), ...rows];
    const sums = [];
    rows.forEach((row, place) => sums.push(row.map((value, index) => (value === null ? null : value + (place ? sums[place - 1][index] : 0)))));
    return [times(), ...sums];
  }

  function legend(plot) {
    const { chart, list } = plot;
    const last = told.columns.ready.length - 1;
    const index = plot.u.cursor.idx ?? last;
    chart.lines.forEach(([name], place) => {
      const value = told.columns[name][index];
      const text = value === null || value === undefined ? "-" : words[chart.unit](value);
      const node = list.children[place].lastChild;
      if (node.textContent !== text) node.textContent = text;
    });
  }

  function marks(u) {
    const { ctx, bbox } = u;
    const low = u.scales.x.min, high = u.scales.x.max;
    ctx.save();
    ctx.lineWidth = devicePixelRatio;
    told.marks.forEach(([time, kind]) => {
      if (time < low || time > high || !MARKS[kind]) return;
      const x = Math.round(u.valToPos(time, "x", true));
      ctx.strokeStyle = ctx.fillStyle = colour(MARKS[kind]);
      ctx.globalAlpha = 0.75;
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.setLineDash([]);
      ctx.globalAlpha = 1;
      const size = 4 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(x - size, bbox.top);
      ctx.lineTo(x + size, bbox.top);
      ctx.lineTo(x, bbox.top + size * 1.4);
      ctx.fill();
    });
    ctx.restore();
  }

  function bands(chart) {
    return chart.stack ? chart.lines.slice(1).map((_, place) => ({ series: [place + 2, place + 1] })) : [];
  }

  function make(figure) {
    const chart = CHARTS[figure.dataset.chart];
    const place = figure.querySelector(".plot");
    const list = figure.querySelector(".legend");
    list.replaceChildren(...chart.lines.map(([name, tint, title]) => {
      const entry = document.createElement("li");
      const dot = document.createElement("i");
      dot.className = "dot " + tint;
      const value = document.createElement("b");
      entry.append(dot, (title || name) + " ", value);
      return entry;
    }));
    const grid = { stroke: colour("line"), width: 1 };
    const axis = { stroke: colour("faint"), font: "11px system-ui, sans-serif", grid, ticks: { show: false } };
    const plot = { chart, list, place };
    const series = chart.lines.map(([name, tint]) => ({
      stroke: colour(tint),
      width: chart.stack ? 1 : 1.6,
      fill: chart.stack || (chart.area || []).includes(name) ? colour(tint) + (chart.stack ? "b0" : "26") : undefined,
      points: { show: false },
      spanGaps: false,
      paths: chart.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
    }));
    plot.u = new uPlot({
      width: place.clientWidth,
      height: 150,
      cursor: { sync: { key: "service" }, points: { show: !chart.stack, size: 6 }, drag: { x: false, y: false } },
      legend: { show: false },
      padding: [8, 6, 0, 0],
      scales: { y: { range: (u, low, high) => [0, Math.max(high || 0, LEAST[chart.unit]) * 1.08] } },
      axes: [
        { ...axis, size: 28, space: 70, values: (u, splits) => splits.map(clock) },
        { ...axis, size: 58, space: 30, ...(chart.unit === "bytes" ? { incrs: MEBIBYTES } : {}), values: (u, splits) => splits.map((value) => (chart.unit === "count" && !Number.isInteger(value) ? "" : words[chart.unit](value))) },
      ],
      series: [{}, ...series],
      bands: bands(chart),
      hooks: { draw: [marks], setCursor: [() => legend(plot)] },
    }, data(chart), place);
    plots.push(plot);
    legend(plot);
  }

  function clock(second) {
    const date = new Date(second * 1000);
    if (told.grid > 200) return date.toLocaleDateString("en", { weekday: "short", day: "numeric" });
    const time = date.toTimeString();
    return told.grid === 1 ? time.slice(0, 8) : time.slice(0, 5);
  }

  function draw() {
    if (!plots.length) root.querySelectorAll("[data-chart]").forEach(make);
    else plots.forEach((plot) => { plot.u.setData(data(plot.chart)); legend(plot); });
    root.dataset.drawn = chosen;
  }

  function redraw() {
    plots.forEach((plot) => plot.u.destroy());
    plots = [];
    if (told) draw();
  }

  function load() {
    const number = ++asked;
    fetch(root.dataset.series + "?window=" + chosen, { headers: { "HX-Request": "true" } })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
      .then((answer) => {
        if (number !== asked) return;
        const other = !told || told.grid !== answer.grid;
        told = answer;
        pending = null;
        if (other) redraw(); else draw();
      })
      .catch(() => { if (number === asked) setTimeout(load, 3000); });
  }

  // One second more. Counts of a span add up, of everything else the highest stays.
  function add(point) {
    if (!told) return;
    const columns = told.columns;
    const end = told.start + columns.ready.length * told.grid;  // where the next span begins
    if (point.time > end + told.grid * 2) { load(); return; }     // we were away
    const span = end;
    if (point.time < span) return;
    if (!pending || pending.span !== span) pending = { span, values: {} };
    for (const name in columns) {
      const value = point[name], known = pending.values[name];
      if (COUNTS.has(name)) pending.values[name] = (known || 0) + value;
      else pending.values[name] = value === null ? known ?? null : Math.max(known ?? 0, value);
    }
    if (point.time < span + told.grid - 1) return;
    for (const name in columns) {
      const value = pending.values[name];
      columns[name].push(COUNTS.has(name) ? value / told.grid : value);
      columns[name].shift();
    }
    told.start += told.grid;
    pending = null;
    draw();
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-window]");
    if (!button) return;
    chosen = button.dataset.window;
    root.querySelectorAll("[data-window]").forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
    load();
  });
  new ResizeObserver(() => plots.forEach((plot) => {
    if (plot.place.clientWidth !== plot.u.width) plot.u.setSize({ width: plot.place.clientWidth, height: 150 });
  })).observe(root);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.addEventListener("htmx:load", function begin() {
    if (!window.utsuwa.stream) return;
    document.removeEventListener("htmx:load", begin);
    window.utsuwa.stream.addEventListener("point", (event) => add(JSON.parse(event.data)));
    window.utsuwa.stream.addEventListener("marks", (event) => {
      if (!told) return;
      const known = new Set(told.marks.map(String));
      told.marks.push(...JSON.parse(event.data).filter((mark) => !known.has(String(mark))));
      plots.forEach((plot) => plot.u.redraw(false));
    });
  });
  load();
})();
