/* What is known of a stream's scores: the newest windows as they arrive, older ones from the
 * worker's history. The graph asks for a span; what is missing of it is fetched in the background. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const KEEP_S = 3660;
  const POINTS = 3000;
  // A block is fetched again for a closer look once it is so many times wider than the view.
  const TOO_COARSE = 3;
  // A longer silence than this in what arrives may be the page's own sleep: the history knows.
  const ASLEEP_S = 2;
  const HOLE_STRIDES = 3;
  const LEAST_HOLE_S = 0.4;
  // Thinned windows stand close together at the peaks, and so far apart in between.
  const SPREAD = 15;
  const RETRY_MS = 5000;
  const LONGEST_WINDOW_S = 10;

  /** Rows in the order of their time: `t[i]`, `gap[i]` (windows are missing before it), scores. */
  class Rows {
    constructor(columns) {
      this.columns = columns;
      this.length = 0;
      this.grow(256);
    }

    grow(capacity) {
      const bigger = (Type, old, size) => {
        const array = new Type(size);
        if (old) array.set(old.subarray(0, Math.min(old.length, size)));
        return array;
      };
      this.t = bigger(Float64Array, this.t, capacity);
      this.gap = bigger(Uint8Array, this.gap, capacity);
      this.s = bigger(Float32Array, this.s, capacity * this.columns);
    }

    /** @param {function(number): number} score of a column, NaN where unknown */
    push(t, gap, score) {
      if (this.length === this.t.length) this.grow(2 * this.length);
      const row = this.length;
      this.t[row] = t;
      this.gap[row] = gap ? 1 : 0;
      for (let column = 0; column < this.columns; column += 1) {
        this.s[row * this.columns + column] = score(column);
      }
      this.length += 1;
    }

    score(row, column) {
      return this.s[row * this.columns + column];
    }

    /** First row that is not before a time. */
    lower(time) {
      let low = 0;
      let high = this.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (this.t[middle] < time) low = middle + 1;
        else high = middle;
      }
      return low;
    }

    /** Forget what is older; in large steps, since everything behind is moved. */
    dropBefore(time) {
      const old = this.lower(time);
      if (old < 256 || old < this.length / 8) return;
      this.t.copyWithin(0, old, this.length);
      this.gap.copyWithin(0, old, this.length);
      this.s.copyWithin(0, old * this.columns, this.length * this.columns);
      this.length -= old;
    }

    /** Strongest column of a row; -1 if none is known. */
    strongest(row) {
      let best = -1;
      for (let column = 0; column < this.columns; column += 1) {
        const score = this.score(row, column);
        if (score === score && (best < 0 || score > this.score(row, best))) best = column;
      }
      return best;
    }
  }

  /** The worker's answer as rows of the page's columns. */
  function rowsOf(answer, labels, reference) {
    const rows = new Rows(labels.length);
    const places = labels.map((label) => answer.labels.indexOf(label.name));
    const { start, end, scores, seq, thinned } = answer;
    const moments = start.map((from, row) => from + reference * (end[row] - from));
    // Time from one window to the next by their numbers: also where windows between were left out.
    const stepOf = (row) => (moments[row] - moments[row - 1]) / (seq[row] - seq[row - 1]);
    const steps = moments.map((_, row) => (row ? stepOf(row) : NaN)).filter((step) => step > 0)
      .sort((a, b) => a - b);
    const stride = steps[Math.floor(steps.length / 2)] ?? 0;
    const hole = Math.max(LEAST_HOLE_S, HOLE_STRIDES * stride);
    moments.forEach((moment, row) => {
      const number = row ? seq[row] - seq[row - 1] : 1;
      const silent = row > 0 && moment - moments[row - 1] - (number - 1) * stride > hole;
      const gap = number <= 0 || silent || (!thinned && number !== 1);
      rows.push(moment, gap, (column) => scores[row][places[column]] ?? NaN);
    });
    return rows;
  }

  let answers = null;
  let answersUntil = 0;

  /** Whether the worker's REST API answers; asked anew every few seconds at most. A request that
   *  cannot be answered would be an error in the browser's console. */
  function workerAnswers() {
    if (!answers || performance.now() > answersUntil) {
      answersUntil = performance.now() + RETRY_MS;
      answers = actionstream.request("/worker.json").then((worker) => worker.answers).catch(() => false);
    }
    return answers;
  }

  /** Two answers as one; windows that are in both come once. */
  function joined(one, other) {
    const newest = one.start.at(-1) ?? -Infinity;
    const fresh = other.start.map((start, row) => [start, row])
      .filter(([start]) => start > newest).map(([, row]) => row);
    const same = JSON.stringify(one.labels) === JSON.stringify(other.labels);
    const places = other.labels.map((label) => one.labels.indexOf(label));
    const score = (row) => (same ? other.scores[row]
      : one.labels.map((_, place) => other.scores[row][places.indexOf(place)] ?? null));
    const more = (column) => [...one[column], ...fresh.map((row) => other[column][row])];
    return {
      ...one, start: more("start"), end: more("end"), seq: more("seq"),
      scores: [...one.scores, ...fresh.map(score)],
    };
  }

  class History {
    /** @param {function()} onChange called when more of the asked span is known */
    constructor(onChange) {
      this.onChange = onChange;
      this.reset("", [], 0.5);
    }

    /** Begin anew with another stream or other classes. */
    reset(stream, labels, reference) {
      this.stream = stream;
      this.labels = labels;
      this.reference = reference;
      this.live = new Rows(labels.length);
      this.block = null;
      this.asked = null;
      this.error = "";
      this.abort?.abort();
    }

    /** Take what arrived: `{t, gap, s}`, scores in thousandths, -1 where unknown. */
    add(points) {
      const gaps = new Set(points.gap);
      points.t.forEach((t, place) => {
        const last = this.lastTime;
        if (last !== null && t <= last) return;
        if (last !== null && t - last > ASLEEP_S) this.fill(last, t);
        const values = points.s[place];
        this.live.push(t, gaps.has(place), (column) => (values[column] < 0 ? NaN : values[column] / 1000));
      });
      if (this.live.length) this.live.dropBefore(this.lastTime - KEEP_S);
    }

    /** Nothing arrived for a while: fetch what the history knows of it, if it can. */
    async fill(from, to) {
      const { live, labels, reference } = this;
      if (!(await workerAnswers())) return;
      const answer = await this.fetch(from, to, POINTS).catch(() => null);
      if (!answer || this.live !== live) return;
      const rows = rowsOf(answer, labels, reference);
      const first = rows.lower(from + 1e-3);
      const last = rows.lower(to - 1e-3);
      if (first >= last) return;
      const whole = new Rows(labels.length);
      const copy = (source, begin, end) => {
        for (let row = begin; row < end; row += 1) {
          const late = row === begin && whole.length > 0
            && source.t[row] - whole.t[whole.length - 1] > LEAST_HOLE_S;
          whole.push(source.t[row], late || (row > begin && source.gap[row]), (column) => source.score(row, column));
        }
      };
      const before = live.lower(from + 1e-3);
      copy(live, 0, before);
      copy(rows, first, last);
      copy(live, before, live.length);
      this.live = whole;
      this.onChange();
    }

    get lastTime() {
      return this.live.length ? this.live.t[this.live.length - 1] : null;
    }

    /** The parts of a span in the order of their time, as `[rows, first, last + 1]`; each with the
     *  row before and the row after, so that lines reach the edges. */
    pieces(from, to) {
      const begins = this.live.length ? this.live.t[0] : Infinity;
      const parts = [];
      const add = (rows, until) => {
        const first = Math.max(0, rows.lower(from) - 1);
        const last = Math.min(rows.length, rows.lower(until) + (until < to ? 0 : 1));
        if (last > first) parts.push([rows, first, last]);
      };
      if (this.block) add(this.block.rows, Math.min(to, begins));
      if (begins <= to) {
        if (parts.length) this.join(this.block, begins);
        add(this.live, to);
      }
      return parts;
    }

    /** Say whether windows are missing between the history's last row and the first that arrived. */
    join({ rows, thinned, since, until }, begins) {
      const last = rows.lower(begins) - 1;
      const wide = thinned ? (until - since) / Math.max(1, rows.length) : 0;
      this.live.gap[0] = last >= 0 && begins - rows.t[last] > 1 + SPREAD * wide ? 1 : 0;
    }

    /** The row whose scores speak of a time, as `{rows, row, t}`; null if none is near. */
    at(time, within = 1) {
      let best = null;
      for (const rows of [this.live, this.block?.rows]) {
        if (!rows?.length) continue;
        const after = rows.lower(time);
        for (const row of [after - 1, after]) {
          if (row < 0 || row >= rows.length) continue;
          const far = Math.abs(rows.t[row] - time);
          if (far <= within && (!best || far < best.far)) best = { rows, row, t: rows.t[row], far };
        }
      }
      return best;
    }

    /** Fetch what the history knows of a span, unless it is known here. */
    need(from, to) {
      if (!this.labels.length) return;
      const begins = this.live.length ? this.live.t[0] : to;
      if (from >= begins - LEAST_HOLE_S) return;
      const wanted = { since: from, until: Math.min(to, begins), span: to - from };
      if (this.covers(this.block, wanted) || this.covers(this.asked, wanted)) return;
      const margin = (to - from) / 2;
      this.fetchBlock(from - margin, Math.min(to + margin, begins));
    }

    covers(block, { since, until, span }) {
      if (!block || block.since > since || block.until < until - LEAST_HOLE_S) return false;
      return !block.thinned || block.until - block.since <= TOO_COARSE * span;
    }

    async fetchBlock(since, until) {
      this.abort?.abort();
      const abort = new AbortController();
      this.abort = abort;
      this.asked = { since, until, thinned: false };
      try {
        if (!(await workerAnswers())) throw new Error("The worker does not answer.");
        const answer = await this.fetch(since, until, POINTS, abort.signal);
        if (abort.signal.aborted) return;
        const rows = rowsOf(answer, this.labels, this.reference);
        this.block = { rows, since, until, thinned: answer.thinned };
        this.asked = null;
        this.error = "";
      } catch (error) {
        if (abort.signal.aborted) return;
        this.error = error.message;
        // Not at once again: a worker that is away is asked every few seconds.
        setTimeout(() => { if (this.abort === abort) this.asked = null; }, RETRY_MS);
      }
      this.onChange();
    }

    /** The worker's answer for a span; every window of it, unless thinned to `points`. */
    async fetch(since, until, points, signal) {
      // The worker counts a window where it starts, which is before the moment it speaks of.
      const query = new URLSearchParams({
        since: Math.max(0, since - LONGEST_WINDOW_S).toFixed(3), until: until.toFixed(3),
      });
      if (points) query.set("points", points);
      const path = actionstream.pathOf(this.stream);
      const answer = await actionstream.api(`/streams/${path}/scores?${query}`, { signal });
      if (points || !answer.thinned) return answer;
      const middle = (since + until) / 2;
      return joined(await this.fetch(since, middle, null, signal), await this.fetch(middle, until, null, signal));
    }

    /** Every window of a span as rows: from the history, and what arrived since. */
    async full(since, until, signal) {
      const { labels, reference } = this;
      const begins = this.live.length ? this.live.t[0] : Infinity;
      let rows = new Rows(labels.length);
      if (since < begins) {
        const answer = await this.fetch(since, Math.min(until, begins), null, signal);
        rows = rowsOf(answer, labels, reference);
      }
      const newest = rows.length ? rows.t[rows.length - 1] : -Infinity;
      const { live } = this;
      for (let row = live.lower(Math.max(since, newest + 1e-3)); row < live.length; row += 1) {
        if (live.t[row] > until) break;
        rows.push(live.t[row], live.gap[row], (column) => live.score(row, column));
      }
      return rows;
    }
  }

  Object.assign(actionstream, { History, Rows, rowsOf, workerAnswers });
})(window.actionstream);
