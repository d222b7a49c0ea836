/* What is shown, to take away: every window of it as CSV, or the graph as a picture. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { plain } = actionstream;

  function save(url, name) {
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.click();
  }

  function fileName(stream, from, suffix) {
    const time = new Date(from * 1000).toISOString().slice(0, 19).replaceAll(":", "");
    return `${stream.replaceAll(/[^\w.-]+/g, "_")}-${time}Z.${suffix}`;
  }

  /** A cell; a text that a spreadsheet would take for a formula stays a text. */
  function cell(value) {
    if (typeof value === "number") return String(value);
    const text = String(value ?? "");
    const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  /** The worker's answer as CSV: one line a window, times in UTC seconds. */
  function toCsv({ labels, seq, start, end, scores }) {
    const lines = [["seq", "start", "end", ...labels].map(cell).join(",")];
    scores.forEach((row, place) => {
      lines.push([seq[place], start[place], end[place], ...row].map(cell).join(","));
    });
    return `${lines.join("\r\n")}\r\n`;
  }

  /** The windows of an answer whose moment lies in a span. */
  function within(answer, reference, { from, to }) {
    const inside = answer.start.map((start, row) => [start + reference * (answer.end[row] - start), row])
      .filter(([moment]) => moment >= from && moment < to).map(([, row]) => row);
    const only = (column) => inside.map((row) => answer[column][row]);
    return { ...answer, seq: only("seq"), start: only("start"), end: only("end"), scores: only("scores") };
  }

  async function downloadCsv(history, range) {
    const answer = await history.fetch(range.from, range.to, null);
    const shown = within(answer, history.reference, range);
    const url = URL.createObjectURL(new Blob([toCsv(shown)], { type: "text/csv" }));
    save(url, fileName(history.stream, range.from, "csv"));
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  /** The graph with its events, on the page's own ground. */
  async function downloadPng(graph, page, events) {
    const style = getComputedStyle(document.documentElement);
    const { from, to } = graph.drawn;
    const shift = new Date(to * 1000).getTimezoneOffset() * 60000;
    const shown = events.filter((event) => event.start < to && (event.end ?? to) > from);
    const bars = {
      type: "bar", orientation: "h", yaxis: "y2", showlegend: false, width: 0.8,
      base: shown.map((event) => Math.max(event.start, from) * 1000 - shift),
      x: shown.map((event) => (Math.min(event.end ?? to, to) - Math.max(event.start, from)) * 1000),
      y: shown.map(() => "Detected"), text: shown.map((event) => plain(event.title)),
      textposition: "inside", insidetextanchor: "middle", textangle: 0,
      marker: { color: shown.map((event) => page.colour(event.index, event.background)) },
    };
    const { yaxis } = graph.layout;
    const layout = {
      ...graph.layout, width: 1400, height: 700, showlegend: true,
      legend: { orientation: "h", y: -0.08 }, margin: { l: 80, r: 20, t: 50, b: 30 },
      title: { text: plain(`${page.stream} · ${new Date(from * 1000).toLocaleString()}`), x: 0.02 },
      paper_bgcolor: style.getPropertyValue("--panel").trim(),
      xaxis: { ...graph.layout.xaxis, anchor: "y2" },
      yaxis: { ...yaxis, domain: [0.12, 1] },
      yaxis2: { domain: [0, 0.08], fixedrange: true, showgrid: false, zeroline: false },
    };
    const data = [...graph.lines.filter((line) => line.visible), bars];
    const url = await window.Plotly.toImage({ data, layout }, { format: "png", scale: 1 });
    save(url, fileName(page.stream, from, "png"));
  }

  Object.assign(actionstream, { toCsv, downloadCsv, downloadPng });
})(window.actionstream);
