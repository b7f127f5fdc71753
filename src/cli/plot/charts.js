// The charts along the text: one x axis of steps, one cursor, one zoom.
const chartsBox = document.getElementById("charts");
let charts = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Stages that cut somewhere along the path, in the order they ran. */
function cuttingStages(path) {
  const names = new Set();
  for (const step of path) for (const stage of step.stages) if (stage.removed > 0) names.add(stage.name);
  return [...names];
}

function keptSeries(path) {
  const hues = ["raw", "final", "surprise", "quiet"];
  return cuttingStages(path).map((name, i) => ({
    label: `after ${name}`,
    values: path.map((step) => step.stages.find((stage) => stage.name === name)?.kept ?? null),
    stroke: colour(hues[i % hues.length]), dash: i < hues.length ? undefined : [5, 3],
    text: grouped, paths: uPlot.paths.stepped({ align: 0 }),
  }));
}

const orNull = (value) => (Number.isFinite(value) ? value : null);

/** What is drawn: each chart's title, scale and series. */
function chartsOf(path) {
  const share = { range: [0, 1] };
  const upwards = { range: (_, low, high) => [0, Math.max(1, (high ?? 1) * 1.08)] };
  const counts = { distr: 3, log: 10, range: (_, low, high) => [0.8, Math.max(10, high ?? 10) * 1.3] };
  const of = (measure) => path.map((step) => orNull(measure.of(step)));
  const line = (label, hue, values, text) => ({ label, stroke: colour(hue), values, text });
  return [
    { title: "Probability of the token", scale: share, series: [
      { ...line("to the model", "raw", of(measures.probability), percent), bars: true },
      line("as drawn", "final", of(measures.drawn), percent),
    ] },
    { title: "Surprise and entropy", unit: "bits", scale: upwards, series: [
      { ...line("surprise", "surprise", of(measures.surprise), bits), bars: true },
      line("entropy of the model", "raw", of(measures.entropy), bits),
      line("entropy drawn from", "final", path.map((step) => step.final_entropy_bits ?? null), bits),
    ] },
    { title: "Candidates left", unit: "log scale", scale: counts, log: true, series: keptSeries(path) },
  ].map((chart) => ({ ...chart, series: chart.series.filter((one) => one.values.some((value) => value !== null)) }))
    .filter((chart) => chart.series.length > 0);
}

function seriesOptions(series, n) {
  const few = n <= 60;
  return {
    label: series.label, stroke: series.stroke, width: series.bars ? 0 : n > 400 ? 1 : 1.6, dash: series.dash,
    fill: series.bars ? `${series.stroke}66` : undefined,
    paths: series.bars ? uPlot.paths.bars({ size: [0.7, 24] }) : (series.paths ?? uPlot.paths.linear()),
    points: { show: few && !series.bars, size: 5, fill: series.stroke, stroke: series.stroke },
    value: (_, value) => (value === null || value === undefined ? "–" : series.text(value)),
  };
}

function axes(chart, isLast) {
  const look = { stroke: colour("quiet"), grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false }, font: "11px sans-serif" };
  const y = { ...look, size: 52 };
  if (chart.log) y.values = (_, splits) => splits.map((v) => (v !== null && Number.isInteger(Math.log10(v)) ? grouped(v) : ""));
  const whole = (_, splits) => splits.map((v) => (Number.isInteger(v) ? v : ""));
  return [{ ...look, size: isLast ? 28 : 8, values: isLast ? whole : () => [], grid: { show: false } }, y];
}

/** A vertical line at the step that is selected. */
function drawSelected(u) {
  const x = Math.round(u.valToPos(u.selectedStep ?? 0, "x", true));
  if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) return;
  u.ctx.save();
  u.ctx.strokeStyle = colour("quiet");
  u.ctx.lineWidth = devicePixelRatio;
  u.ctx.beginPath();
  u.ctx.moveTo(x, u.bbox.top);
  u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
  u.ctx.stroke();
  u.ctx.restore();
}

function makeChart(chart, n, isLast, onStep) {
  const host = element("figure", { class: "chart", role: "img", "aria-label": `${chart.title} along the text` },
    element("h3", {}, chart.title, element("small", {}, chart.unit ?? "")));
  host.style.margin = 0;
  chartsBox.append(host);
  const room = () => host.clientWidth - 32;
  const u = new uPlot({
    width: room(), height: isLast ? 140 : 120,
    cursor: { sync: { key: "steps" }, drag: { x: true, y: false }, y: false, points: { size: 7 } },
    scales: { x: { time: false, range: (_, low, high) => (n === 1 ? [-0.5, 0.5] : [low, high]) }, y: chart.scale },
    axes: axes(chart, isLast),
    series: [{ label: "step", value: (_, v) => v ?? "–" }, ...chart.series.map((one) => seriesOptions(one, n))],
    hooks: {
      draw: [drawSelected],
      setCursor: [(self) => self.cursor.idx ?? self.setLegend({ idx: self.selectedStep ?? 0 }, false)],
    },
  }, [Array.from({ length: n }, (_, i) => i), ...chart.series.map((one) => one.values)], host);
  let pressed = 0;
  u.over.addEventListener("mousedown", (event) => { pressed = event.clientX; });
  u.over.addEventListener("click", (event) => {
    if (Math.abs(event.clientX - pressed) < 4 && u.cursor.idx !== null) onStep(u.cursor.idx);
  });
  new ResizeObserver(() => { if (host.isConnected && room() > 0) u.setSize({ width: room(), height: u.height }); }).observe(host);
  return u;
}

function showCharts(path, onStep) {
  for (const chart of charts) chart.destroy();
  chartsBox.replaceChildren();
  const wanted = path.length > 0 ? chartsOf(path) : [];
  charts = wanted.map((chart, i) => makeChart(chart, path.length, i === wanted.length - 1, onStep));
  if (charts.length > 0) chartsBox.append(element("p", { class: "hint" }, "Drag to look closer, double-click to see all."));
}

function markCharts(position) {
  for (const chart of charts) {
    chart.selectedStep = position;
    chart.setLegend({ idx: position }, false);
    chart.redraw(false);
  }
}
