/* The graph: keeps the points of the rolling window and lets Plotly draw them ten times a second. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const DRAW_MS = 100;
  // Share of the time that drawing may take: a slow machine draws less often instead of hanging.
  const DRAW_SHARE = 0.3;
  const KEEP_BEYOND_S = 2;
  // A class is emphasised while it is among the strongest of the last moments.
  const RECENT_POINTS = 8;
  const EMPHASISED = 2;
  const LEAST_EMPHASISED = 0.15;

  /** Plotly reads a little markup in texts; these come from the network. */
  function plain(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }

  /** UTC seconds to what a date axis shows as local time. */
  function local(seconds) {
    const ms = seconds * 1000;
    return ms - new Date(ms).getTimezoneOffset() * 60000;
  }

  class Graph {
    constructor(gd, config) {
      this.gd = gd;
      this.config = config;
      this.labels = [];
      this.lines = [];
      this.hidden = new Set();
      this.events = [];
      this.truth = null;
      this.offset = null;
      this.lastTime = null;
      this.paused = false;
      this.drawnAt = 0;
      this.drawMs = 0;
      this.layout = structuredClone(gd.layout);
      this.theme();
      this.loop = this.loop.bind(this);
      requestAnimationFrame(this.loop);
    }

    /** Colour of a label by its place in the model's order; -1 is a label the model lacks. */
    colour(index, background = false) {
      const { palette, background: grey } = this.config;
      if (background || index < 0) return grey[this.scheme];
      return palette[this.scheme][index % palette[this.scheme].length];
    }

    dash(index) {
      const { dashes, palette } = this.config;
      return dashes[Math.floor(index / palette.light.length) % dashes.length];
    }

    /** Take the colours over from the style sheet. */
    theme() {
      const root = document.documentElement;
      this.scheme = root.dataset.mantineColorScheme === "dark" ? "dark" : "light";
      const style = getComputedStyle(root);
      const colour = (name) => style.getPropertyValue(name).trim();
      const { layout } = this;
      layout.font = { color: colour("--muted"), family: "system-ui, sans-serif", size: 12 };
      for (const axis of [layout.xaxis, layout.yaxis, layout.yaxis2]) axis.gridcolor = colour("--grid");
      layout.hoverlabel = {
        bgcolor: colour("--panel"), bordercolor: colour("--line"), font: { color: colour("--ink") },
      };
      for (const line of this.lines) this.paint(line);
      this.bars = null;
    }

    paint(line) {
      line.line.color = this.colour(line.meta.index, line.meta.background);
    }

    /** Begin anew with a list of labels. */
    reset(labels) {
      this.labels = labels;
      this.lastTime = null;
      this.offset = null;
      this.lines = labels.map((label) => ({
        type: "scatter", mode: "lines", x: [], y: [], name: plain(label.title),
        meta: label, hovertemplate: "%{y:.0%}", connectgaps: false,
        line: { width: 1.2, dash: label.background ? "dot" : this.dash(label.index) },
        visible: !this.hidden.has(label.name),
      }));
      for (const line of this.lines) this.paint(line);
      this.events = [];
      this.truth = null;
      this.bars = null;
    }

    /** @param {{t: number[], gap: number[], s: number[][]}} points in the order of their time */
    add(points) {
      const gaps = new Set(points.gap);
      points.t.forEach((t, row) => {
        const x = local(t);
        this.lines.forEach((line, column) => {
          if (gaps.has(row) && line.x.length) {
            line.x.push(x);
            line.y.push(null);
          }
          const score = points.s[row][column];
          line.x.push(x);
          line.y.push(score < 0 ? null : score / 1000);
        });
        this.lastTime = t;
      });
      this.trim();
    }

    trim() {
      const oldest = local(this.edge() - this.config.window_s - KEEP_BEYOND_S);
      for (const line of this.lines) {
        let old = 0;
        while (old < line.x.length && line.x[old] < oldest) old += 1;
        if (old) {
          line.x.splice(0, old);
          line.y.splice(0, old);
        }
      }
    }

    setEvents(events) {
      this.events = events;
      this.bars = null;
    }

    setTruth(truth) {
      this.truth = truth;
      this.bars = null;
    }

    /** The stream's time at the server; smoothed, so that the axis glides. */
    setNow(seconds) {
      const offset = seconds - performance.now() / 1000;
      const jump = this.offset === null || Math.abs(offset - this.offset) > 1;
      this.offset = jump ? offset : this.offset + 0.1 * (offset - this.offset);
    }

    /** UTC seconds at the right end of the axis. */
    edge() {
      return (this.offset ?? 0) + performance.now() / 1000;
    }

    toggle(name) {
      const shown = this.hidden.delete(name) || !this.hidden.add(name);
      for (const line of this.lines) if (line.meta.name === name) line.visible = shown;
      return shown;
    }

    /** Newest score of every line. */
    newest() {
      return this.lines.map((line) => (line.y.length ? line.y[line.y.length - 1] : null));
    }

    emphasise() {
      const peaks = this.lines.map((line) => Math.max(0, ...line.y.slice(-RECENT_POINTS)));
      const strongest = peaks.map((peak, column) => [peak, column])
        .filter(([peak, column]) => peak >= LEAST_EMPHASISED && !this.lines[column].meta.background)
        .sort((a, b) => b[0] - a[0]).slice(0, EMPHASISED).map(([, column]) => column);
      this.lines.forEach((line, column) => {
        const strong = strongest.includes(column);
        line.line.width = strong ? 3 : 1.2;
        line.opacity = strong ? 1 : 0.6;
      });
    }

    bar(row, spans) {
      return {
        type: "bar", orientation: "h", yaxis: "y2", width: 0.72, showlegend: false,
        base: spans.map((span) => local(span.start)),
        x: spans.map((span) => Math.max(0, span.end - span.start) * 1000),
        y: spans.map(() => row),
        text: spans.map((span) => plain(span.text)), hovertext: spans.map((span) => plain(span.title)),
        textposition: "inside", insidetextanchor: "middle", textangle: 0, constraintext: "none",
        cliponaxis: true, hoverinfo: "text",
        textfont: { color: this.scheme === "dark" ? "#10151c" : "#ffffff", size: 11 },
        marker: { color: spans.map((span) => this.colour(span.label)), line: { width: 0 } },
      };
    }

    /** As much of a title as its bar has room for: more would cover the neighbours. */
    fit({ title, start, end }) {
      const width = Math.max(200, this.gd.clientWidth - 80);
      const letters = Math.floor(((end - start) / this.config.window_s) * width / 6.5 - 1);
      if (title.length <= letters) return title;
      return letters < 4 ? "" : `${title.slice(0, letters - 1).trimEnd()}…`;
    }

    buildBars() {
      const { detected, truth } = this.config.rows;
      const from = this.edge() - this.config.window_s;
      const until = this.lastTime ?? this.edge();
      const events = this.events
        .map((event) => ({ ...event, end: event.end ?? until }))
        .filter((event) => event.end > from && event.end > event.start);
      const spans = (this.truth ?? [])
        .map(([label, title, start, end]) => ({ label, title, start, end }))
        .filter((span) => span.end > from);
      for (const span of [...events, ...spans]) span.text = this.fit(span);
      this.bars = [this.bar(detected, events), this.bar(truth, spans)];
      this.layout.yaxis2.range = this.truth ? [-0.5, 1.5] : [0.5, 1.5];
    }

    draw() {
      const edge = this.edge();
      const open = this.events.some((event) => event.end === null);
      if (!this.bars || open) this.buildBars();
      this.emphasise();
      this.layout.xaxis.range = [local(edge - this.config.window_s), local(edge)];
      this.layout.xaxis.nticks = Math.max(3, Math.floor(this.gd.clientWidth / 110));
      this.layout.datarevision = edge;
      // Plotly draws no axis that has no trace.
      const lines = this.lines.length ? this.lines : [{ x: [null], y: [null], hoverinfo: "skip" }];
      window.Plotly.react(this.gd, [...lines, ...this.bars], this.layout);
    }

    loop(now) {
      requestAnimationFrame(this.loop);
      const pause = Math.max(DRAW_MS, this.drawMs / DRAW_SHARE);
      if (now - this.drawnAt < pause - 8 || this.paused || this.offset === null) return;
      if (!this.gd.clientWidth) return;
      this.drawnAt = now;
      this.draw();
      this.onDraw?.();
      const took = performance.now() - now;
      this.drawMs += 0.1 * (took - this.drawMs);
    }
  }

  actionstream.Graph = Graph;
})(window.actionstream);
