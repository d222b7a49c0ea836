/* From window scores to events, by the rules of the worker: inference/events.py line by line, so
 * that the preview of other rules shows what the worker would have said. A test feeds both. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const EVERY_OTHER = "*";
  const GAP_S = 2;

  /** Follows the actions of one stream.
   *  labels: names in the order of the scores; background: names that never make events;
   *  options: {smoothing_s, rules: {label or "*": {enter, exit, min_duration_s, cooldown_s}}} */
  class EventTracker {
    constructor(labels, background, options) {
      this.labels = labels;
      this.options = options;
      this.watched = labels.map((_, index) => index)
        .filter((index) => !background.includes(labels[index]));
      this.smooth = null;
      this.at = -Infinity;
      this.began = -Infinity;
      this.open = new Map();
      this.ended = [];
    }

    rule(index) {
      const { rules } = this.options;
      return rules[this.labels[index]] ?? rules[EVERY_OTHER];
    }

    /** Take the scores of the next window; `at` is the moment that they speak of. */
    update(at, scores) {
      const elapsed = at - this.at;
      if (this.smooth === null || !(elapsed >= 0 && elapsed <= GAP_S)) {
        this.flush();
        this.smooth = Array.from(scores);
        this.began = at;
      } else {
        const weight = this.weight(elapsed);
        this.smooth = this.smooth.map((old, index) => old + weight * (scores[index] - old));
      }
      this.at = at;
      const now = Math.max(at - this.options.smoothing_s, this.began);
      for (const index of this.watched) this.follow(index, now, this.smooth[index]);
    }

    weight(elapsed) {
      const tau = this.options.smoothing_s;
      return tau <= 0 ? 1 : 1 - Math.exp(-elapsed / tau);
    }

    follow(index, at, score) {
      const rule = this.rule(index);
      let candidate = this.open.get(index);
      if (score < Math.min(rule.exit, rule.enter)) {
        if (candidate) this.fall(index, candidate, at, rule);
        return;
      }
      if (!candidate) {
        candidate = { start: at, peak: score, told: false, fell: null };
        this.open.set(index, candidate);
      }
      candidate.fell = null;
      candidate.peak = Math.max(candidate.peak, score);
      const sure = candidate.peak >= rule.enter && at - candidate.start >= rule.min_duration_s;
      candidate.told ||= sure;
    }

    fall(index, candidate, at, rule) {
      candidate.fell ??= at;
      if (candidate.told && at - candidate.fell < rule.cooldown_s) return;
      this.open.delete(index);
      if (candidate.told) this.end(index, candidate);
    }

    end(index, candidate) {
      this.ended.push({ column: index, start: candidate.start, end: candidate.fell, peak: candidate.peak });
    }

    /** End whatever goes on, at the time of the last scores. */
    flush() {
      for (const [index, candidate] of this.open) {
        if (!candidate.told) continue;
        candidate.fell ??= this.at;
        this.end(index, candidate);
      }
      this.open.clear();
      this.smooth = null;
    }
  }

  /** Events of windows in their order: `[{column, start, end, peak}]` by start; `end` is null of what
   *  goes on. `rows` has `length`, `t[row]` and `score(row, column)`. */
  function findEvents(rows, labels, background, options) {
    const tracker = new EventTracker(labels, background, options);
    for (let row = 0; row < rows.length; row += 1) {
      tracker.update(rows.t[row], labels.map((_, column) => rows.score(row, column) || 0));
    }
    const going = [...tracker.open].filter(([, candidate]) => candidate.told)
      .map(([column, { start, fell, peak }]) => ({ column, start, end: fell, peak }));
    return [...tracker.ended, ...going].sort((a, b) => a.start - b.start);
  }

  Object.assign(actionstream, { EventTracker, findEvents });
})(window.actionstream);
