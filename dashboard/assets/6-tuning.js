/* When does a score become an action? Sliders for the rules, tried at once on what is in view and
 * applied to the stream only when told to. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText, clock } = actionstream;
  const ALL = "*";
  // What was going on before the view began takes part in what is found in it.
  const BEFORE_S = 15;
  const TRY_MS = 1000;
  const ANSWER_MS = 4000;
  const SECONDS = (value) => `${value.toFixed(1)} s`;
  const SLIDERS = [
    ["enter", "Report from a score of", 0.01, 1, 0.01, (value) => value.toFixed(2),
      "An action is told as soon as its smoothed score is so high."],
    ["exit", "Lasts above a score of", 0, 1, 0.01, (value) => value.toFixed(2),
      "It began when the score rose above this, and ends when it falls below."],
    ["min_duration_s", "Lasts at least", 0, 10, 0.1, SECONDS, "Shorter ones are not told."],
    ["cooldown_s", "Over after a pause of", 0, 10, 0.1, SECONDS, "Shorter dips do not end it."],
  ];

  class Tuning {
    /** @param {{onChange: function()}} handlers called when the rules to draw changed */
    constructor(box, page, graph, history, handlers) {
      Object.assign(this, { box, page, graph, history, handlers });
      this.label = ALL;
      this.draft = {};
      this.triedAt = -Infinity;
      if (box) this.build();
      // What is in force may change without this page.
      page.on("detail", (detail) => detail.control !== undefined && this.draw());
    }

    build() {
      this.chooser = make("select");
      this.chooser.setAttribute("aria-label", "Action to tune");
      this.chooser.addEventListener("change", () => {
        this.label = this.chooser.value;
        this.draw();
      });
      this.sliders = SLIDERS.map((slider) => this.slider(...slider));
      const button = (text, look, work) => {
        const one = make("button", `button ${look}`, text);
        one.type = "button";
        one.addEventListener("click", work);
        return one;
      };
      this.apply = button("Apply", "primary", () => this.send({ rules: this.draft }));
      this.undo = button("Undo", "", () => this.forget());
      this.reset = button("Back to default", "", () => this.send({ rules: this.defaults() }));
      this.pause = button("Pause the analysis", "quiet",
        () => this.send({ paused: !this.page.control?.paused }));
      const buttons = make("div", "buttons");
      buttons.append(this.apply, this.undo, this.reset, this.pause);
      this.tried = make("p", "words");
      this.words = make("p", "words");
      this.words.setAttribute("role", "status");
      this.box.replaceChildren(
        this.chooser, ...this.sliders.map(({ row }) => row), this.tried, buttons, this.words);
    }

    slider(key, title, min, max, step, format, hint) {
      const row = make("label", "slider");
      const input = make("input");
      Object.assign(input, { type: "range", min, max, step });
      input.dataset.rule = key;
      const value = make("output");
      row.title = hint;
      row.append(make("span", "", title), value, input);
      input.addEventListener("input", () => this.change(key, Number(input.value)));
      return { key, row, input, value, format };
    }

    /** Another stream or other classes. */
    restart() {
      this.label = ALL;
      this.draft = {};
      this.rows = null;
      if (this.box) this.offer();
      this.draw();
    }

    offer() {
      const options = [[ALL, "Every action"], ...this.page.labels
        .filter((label) => !label.background).map((label) => [label.name, label.title])];
      this.chooser.replaceChildren(...options.map(([value, text]) => {
        const option = make("option", "", text);
        option.value = value;
        return option;
      }));
    }

    rule(label, drafted = true) {
      const rules = this.page.control?.rules ?? {};
      const draft = drafted ? this.draft : {};
      return draft[label] ?? rules[label] ?? draft[ALL] ?? rules[ALL] ?? null;
    }

    /** The rules as they would be. */
    rules() {
      return { ...this.page.control?.rules, ...this.draft };
    }

    get changed() {
      return Object.keys(this.draft).length > 0;
    }

    change(key, value) {
      const rule = { ...this.rule(this.label), [key]: value };
      // A way in below the way out makes no sense: each pushes the other along.
      if (key === "enter") rule.exit = Math.min(rule.exit, value);
      if (key === "exit") rule.enter = Math.max(rule.enter, value);
      this.draft = { ...this.draft, [this.label]: rule };
      this.draw();
    }

    forget() {
      this.draft = {};
      setText(this.words, "");
      this.draw();
    }

    /** Say what the tried rules would have changed. */
    compare(real, tried) {
      setText(this.tried, `In view: ${real} detected, ${tried} if applied.`);
    }

    /** Back to what the settings say: of one class, or of all of them. */
    defaults() {
      const rules = Object.keys(this.page.control?.rules ?? {});
      const names = this.label === ALL ? rules : [this.label];
      return Object.fromEntries(names.map((name) => [name, null]));
    }

    async send(command) {
      const { page } = this;
      const before = page.control;
      setText(this.words, "Sending …");
      try {
        await actionstream.command(page.stream, command);
        await this.answered(before);
        const { error } = page.control ?? {};
        if (!error && command.rules) this.draft = {};
        setText(this.words, error ? `Refused: ${error}` : `In force since ${clock(Date.now() / 1000)}.`);
      } catch (error) {
        setText(this.words, error.message);
      }
      this.draw();
    }

    /** The worker answers with what is in force now. */
    answered(before) {
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          forget();
          reject(new Error("Sent, but the worker did not answer. Is it running?"));
        }, ANSWER_MS);
        const forget = this.page.on("detail", () => {
          if (this.page.control === before) return;
          clearTimeout(late);
          forget();
          resolve();
        });
      });
    }

    draw() {
      const rule = this.rule(this.label);
      this.drawThresholds(rule);
      if (!this.box) return;
      const known = rule !== null;
      for (const { key, input, value, format } of this.sliders) {
        input.disabled = !known;
        if (!known) continue;
        input.value = rule[key];
        setText(value, format(rule[key]));
      }
      this.chooser.value = this.label;
      this.apply.disabled = this.undo.disabled = !this.changed;
      if (!this.changed) setText(this.tried, "");
      this.reset.disabled = !known;
      this.pause.disabled = !known;
      setText(this.pause, this.page.control?.paused ? "Go on with the analysis" : "Pause the analysis");
      this.triedAt = -Infinity;
      this.handlers.onChange();
    }

    /** The thresholds of the chosen class, or of all of them, as lines in the graph. */
    drawThresholds(rule) {
      if (!rule) {
        this.graph.setThresholds("", []);
        return;
      }
      const label = this.page.labels.find(({ name }) => name === this.label);
      const colour = this.page.colour(label ? label.index : -1);
      const tried = this.changed ? " (tried)" : "";
      this.graph.setThresholds(colour, [
        { value: rule.enter, dash: "dash", text: `reported from ${rule.enter.toFixed(2)}${tried}` },
        { value: rule.exit, dash: "dot", text: `lasts above ${rule.exit.toFixed(2)}${tried}` },
      ]);
    }

    // ---- the rules tried on what is in view ----------------------------------------------------

    /** Events of the view by the rules as they would be; null while nothing is tried. */
    async tryOut({ from, to }) {
      if (!this.box || !this.changed || !this.page.control) return null;
      const now = performance.now();
      if (now - this.triedAt < TRY_MS) return undefined;
      this.triedAt = now;
      await this.provide(from - BEFORE_S, to);
      const { labels } = this.page;
      const background = labels.filter((label) => label.background).map((label) => label.name);
      const options = { smoothing_s: this.page.control.smoothing_s, rules: this.rules() };
      const names = labels.map((label) => label.name);
      return actionstream.findEvents(this.rows, names, background, options)
        .filter((event) => event.start < to && (event.end ?? Infinity) > from);
    }

    /** Have every window of a span at hand, and what arrived since. */
    async provide(since, until) {
      const { rows } = this;
      const newest = rows?.length ? rows.t[rows.length - 1] : -Infinity;
      const { live } = this.history;
      const joined = live.length > 0 && newest >= live.t[0];
      if (!rows || this.since > since || (newest < until - 1 && !joined)) {
        const fetched = await this.history.full(since, until).catch(() => null);
        this.rows = fetched ?? this.history.live;
        this.since = fetched ? since : Infinity;
        return;
      }
      if (rows === live) return;
      for (let row = live.lower(newest + 1e-3); row < live.length; row += 1) {
        rows.push(live.t[row], live.gap[row], (column) => live.score(row, column));
      }
      rows.dropBefore(newest - 3700);
    }
  }

  actionstream.Tuning = Tuning;
})(window.actionstream);
