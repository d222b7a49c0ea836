/* The graph: the scores of the span in view as lines, drawn by Plotly as often as they can be seen
 * to move and ten times a second at most. Where they come from: 6-history.js. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const DRAW_MS = 100;
  // Share of the time that drawing may take: a slow machine draws less often instead of hanging.
  const DRAW_SHARE = 0.3;
  const SLOWEST_MS = 1000;
  // More points than this on one line cannot be told apart, but must all be drawn.
  const POINTS = 1500;
  // A class is emphasised while it is among the strongest of the last moments.
  const RECENT_S = 1;
  const EMPHASISED = 2;
  const LEAST_EMPHASISED = 0.15;
  const CHOOSE_MS = 2000;

  /** Plotly reads a little markup in texts; these come from the network. */
  function plain(text) {
    return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  }

  /** Milliseconds between UTC and what a date axis shows as local time. */
  function zone(seconds) {
    return new Date(seconds * 1000).getTimezoneOffset() * 60000;
  }

  class Graph {
    constructor(gd, page, history) {
      this.gd = gd;
      this.page = page;
      this.history = history;
      this.view = new actionstream.View(page.config.window_s);
      this.layout = structuredClone(gd.layout);
      this.stacked = false;
      this.most = 12;
      this.chosen = null;
      this.thresholds = [];
      this.drawnAt = 0;
      this.drawMs = 0;
      this.dirty = true;
      this.reset([]);
      this.theme();
      this.view.on(() => { this.dirty = true; });
      this.loop = this.loop.bind(this);
      requestAnimationFrame(this.loop);
    }

    colour(index, background = false) {
      return this.page.colour(index, background);
    }

    /** Take the colours over from the style sheet. */
    theme() {
      const style = getComputedStyle(document.documentElement);
      const colour = (name) => style.getPropertyValue(name).trim();
      const { layout } = this;
      this.ground = colour("--panel");
      layout.font = { color: colour("--muted"), family: "system-ui, sans-serif", size: 12 };
      for (const axis of [layout.xaxis, layout.yaxis]) axis.gridcolor = colour("--grid");
      for (const line of this.lines) this.paint(line);
      this.dirty = true;
    }

    paint(line) {
      const { index, background } = line.meta;
      line.line.color = this.colour(index, background);
      // Where they are stacked, colours alone tell neighbours apart: thin edges help.
      line.stackgroup = this.stacked ? "scores" : undefined;
      line.fillcolor = this.stacked ? `${line.line.color}b0` : undefined;
    }

    /** Begin anew with a list of labels. */
    reset(labels) {
      this.labels = labels;
      this.lines = labels.map((label) => ({
        type: "scatter", mode: "lines", x: [], y: [], name: plain(label.title),
        meta: label, hoverinfo: "skip", connectgaps: false, visible: true,
        line: { width: 1.2, dash: label.background ? "dot" : this.page.dash(label.index) },
      }));
      for (const line of this.lines) this.paint(line);
      this.choseAt = -Infinity;
      this.strongest = new Set(labels.map((label) => label.name));
      if (!labels.some((label) => this.chosen?.has(label.name))) this.chosen = null;
      this.dirty = true;
    }

    get lastTime() {
      return this.history.lastTime;
    }

    /** Newest score of every line. */
    newest() {
      const { live } = this.history;
      if (!live.length) return this.lines.map(() => null);
      return this.lines.map((_, column) => {
        const score = live.score(live.length - 1, column);
        return score === score ? score : null;
      });
    }

    // ---- which lines ---------------------------------------------------------------------------

    isShown(name) {
      return (this.chosen ?? this.strongest).has(name);
    }

    /** Show or hide one line; from then on the lines are chosen by hand. */
    toggle(name) {
      this.chosen ??= new Set(this.strongest);
      const shown = this.chosen.delete(name) ? false : Boolean(this.chosen.add(name));
      this.dirty = true;
      return shown;
    }

    /** Show the strongest lines of what is in view. */
    showStrongest(most) {
      this.most = most;
      this.chosen = null;
      this.choseAt = -Infinity;
      this.dirty = true;
    }

    showStacked(stacked) {
      this.stacked = stacked;
      for (const line of this.lines) this.paint(line);
      this.dirty = true;
    }

    choose(parts, now) {
      if (this.labels.length <= this.most) {
        this.strongest = new Set(this.labels.map((label) => label.name));
        return;
      }
      if (now - this.choseAt < CHOOSE_MS) return;
      this.choseAt = now;
      const peaks = this.labels.map(() => -1);
      for (const [rows, first, last] of parts) {
        for (let row = first; row < last; row += 1) {
          peaks.forEach((peak, column) => {
            const score = rows.score(row, column);
            if (score > peak) peaks[column] = score;
          });
        }
      }
      const order = peaks.map((peak, column) => [peak, column]).sort((a, b) => b[0] - a[0]);
      this.strongest = new Set(order.slice(0, this.most).map(([, column]) => this.labels[column].name));
    }

    emphasise() {
      const { live } = this.history;
      const from = live.length ? live.lower(live.t[live.length - 1] - RECENT_S) : 0;
      const peaks = this.lines.map((_, column) => {
        let peak = 0;
        for (let row = from; row < live.length; row += 1) peak = Math.max(peak, live.score(row, column) || 0);
        return peak;
      });
      const strongest = peaks.map((peak, column) => [peak, column])
        .filter(([peak, column]) => peak >= LEAST_EMPHASISED && !this.lines[column].meta.background)
        .sort((a, b) => b[0] - a[0]).slice(0, EMPHASISED).map(([, column]) => column);
      this.lines.forEach((line, column) => {
        const strong = strongest.includes(column);
        line.line.width = this.stacked ? 1 : strong ? 3 : 1.4;
        line.opacity = strong || this.stacked ? 1 : 0.7;
      });
    }

    // ---- points --------------------------------------------------------------------------------

    fill(parts, { from, to }) {
      const number = parts.reduce((sum, [, first, last]) => sum + last - first, 0);
      const shift = zone(to);
      const cell = (to - from) / (POINTS / 2);
      // Lines that are stacked must have their points at the same times.
      const shared = this.stacked || number <= POINTS;
      const picks = shared ? this.pick(parts, Math.max(1, Math.ceil(number / POINTS))) : null;
      const times = shared ? this.times(picks, shift) : null;
      this.lines.forEach((line, column) => {
        line.visible = this.isShown(line.meta.name);
        if (shared) {
          line.x = times;
          line.y = line.visible ? this.values(picks, column) : [];
        } else if (line.visible) {
          this.thin(line, parts, column, cell, shift);
        }
      });
    }

    /** Every so many rows, as `[rows, row, whether windows are missing before it]`. */
    pick(parts, step) {
      const picks = [];
      let gap = false;
      for (const [rows, first, last] of parts) {
        for (let row = first; row < last; row += 1) {
          gap ||= Boolean(rows.gap[row]);
          if (row % step) continue;
          picks.push([rows, row, gap && picks.length > 0]);
          gap = false;
        }
      }
      return picks;
    }

    times(picks, shift) {
      const x = [];
      for (const [rows, row, gap] of picks) {
        const time = rows.t[row] * 1000 - shift;
        if (gap) x.push(x[x.length - 1], time);
        x.push(time);
      }
      return x;
    }

    values(picks, column) {
      // A stack has no holes: it goes down to the ground.
      const nothing = this.stacked ? 0 : null;
      const y = [];
      for (const [rows, row, gap] of picks) {
        if (gap) y.push(nothing, nothing);
        const score = rows.score(row, column);
        y.push(score === score ? Math.round(score * 1e4) / 1e4 : nothing);
      }
      return y;
    }

    /** The lowest and the highest point of every cell: nothing that stands out is lost. Cells lie
     *  on the clock, not on the view, so that the line does not tremble as it moves. */
    thin(line, parts, column, cell, shift) {
      const x = [];
      const y = [];
      let low = null;
      let high = null;
      const flush = () => {
        if (!low) return;
        for (const { t, score } of low.t <= high.t ? [low, high] : [high, low]) {
          x.push(t * 1000 - shift);
          y.push(score);
          if (low === high) break;
        }
        low = null;
      };
      let place = null;
      for (const [rows, first, last] of parts) {
        for (let row = first; row < last; row += 1) {
          const t = rows.t[row];
          const score = rows.score(row, column);
          const here = Math.floor(t / cell);
          if (here !== place || rows.gap[row]) flush();
          place = here;
          if (rows.gap[row] && x.length) {
            x.push(t * 1000 - shift);
            y.push(null);
          }
          if (score !== score) continue;
          if (!low) low = high = { t, score };
          else if (score < low.score) low = { t, score };
          else if (score > high.score) high = { t, score };
        }
      }
      flush();
      line.x = x;
      line.y = y;
    }

    // ---- drawing -------------------------------------------------------------------------------

    /** The rules in force, or tried, of one class: `[{value, text, dash}]`. */
    setThresholds(colour, thresholds) {
      this.thresholds = thresholds.map((one) => ({ ...one, colour }));
      this.dirty = true;
    }

    annotate() {
      // Where scores are stacked a height is no score.
      const thresholds = this.stacked ? [] : this.thresholds;
      this.layout.shapes = thresholds.map(({ value, colour, dash }) => ({
        type: "line", xref: "paper", x0: 0, x1: 1, y0: value, y1: value,
        line: { color: colour, width: 1.5, dash },
      }));
      this.layout.annotations = thresholds.map(({ value, colour, text }) => ({
        xref: "paper", x: 1, xanchor: "right", y: value, yanchor: "bottom", showarrow: false,
        text: plain(text), font: { color: colour, size: 11 }, bgcolor: this.ground, borderpad: 1,
      }));
    }

    draw() {
      const range = this.view.range();
      this.history.need(range.from, range.to);
      const parts = this.history.pieces(range.from, range.to);
      this.choose(parts, performance.now());
      this.fill(parts, range);
      this.emphasise();
      this.annotate();
      const shift = zone(range.to);
      this.layout.xaxis.range = [range.from * 1000 - shift, range.to * 1000 - shift];
      this.layout.xaxis.nticks = Math.max(3, Math.floor(this.gd.clientWidth / 110));
      this.layout.datarevision = performance.now();
      // Plotly draws no axis that has no trace.
      const lines = this.lines.length ? this.lines : [{ x: [null], y: [null], hoverinfo: "skip" }];
      window.Plotly.react(this.gd, lines, this.layout);
      this.drawn = range;
    }

    /** Where the lines are within the graph, in pixels. */
    area() {
      const size = this.gd._fullLayout?._size;
      return size ? { left: size.l, top: size.t, width: size.w, height: size.h } : null;
    }

    /** Pixels from the graph's left edge to a time, as it was drawn last. */
    place(time) {
      const { from, to } = this.drawn;
      const { left, width } = this.area();
      return left + ((time - from) / (to - from)) * width;
    }

    /** The time at a place, within what is drawn. */
    timeAt(pixels) {
      const { from, to } = this.drawn;
      const { left, width } = this.area();
      return from + Math.min(1, Math.max(0, (pixels - left) / width)) * (to - from);
    }

    loop(now) {
      requestAnimationFrame(this.loop);
      if (!this.view.started || !this.gd.clientWidth) return;
      const { moving, span } = this.view;
      if (!this.dirty && !moving) return;
      const pixel = Math.min(SLOWEST_MS, (1000 * span) / this.gd.clientWidth);
      const pause = Math.max(DRAW_MS, this.drawMs / DRAW_SHARE, this.dirty ? 0 : pixel);
      if (now - this.drawnAt < pause - 8) return;
      this.drawnAt = now;
      this.dirty = false;
      this.draw();
      this.onDraw?.(this.drawn);
      const took = performance.now() - now;
      this.drawMs += 0.1 * (took - this.drawMs);
    }
  }

  Object.assign(actionstream, { Graph, plain });
})(window.actionstream);
