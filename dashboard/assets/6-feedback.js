/* What people say about a span: right, wrong, or another label; stored by the worker, and listed. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText, clock, percent, pathOf } = actionstream;
  const SHOWN = 100;
  const WORDS = { right: "Right", wrong: "Wrong", other: "It is" };

  class Feedback {
    /** @param {{onChange: function(object[])}} handlers told what is stored */
    constructor(box, page, handlers) {
      this.box = box;
      this.page = page;
      this.handlers = handlers;
      this.entries = [];
      if (!box) return;
      this.words = make("p", "words", "Nothing marked yet.");
      this.words.setAttribute("role", "status");
      this.list = make("ul", "feedback-list");
      box.replaceChildren(this.words, this.list);
    }

    get path() {
      return `/streams/${pathOf(this.page.stream)}/feedback`;
    }

    async load() {
      this.entries = [];
      this.draw();
      const { stream } = this.page;
      if (!this.box || !stream || !(await actionstream.workerAnswers())) return;
      try {
        const stored = await actionstream.api(`${this.path}?limit=${SHOWN}`);
        if (stream !== this.page.stream) return;
        this.entries = stored.reverse();
        this.draw();
      } catch (error) {
        setText(this.words, error.message);
      }
    }

    /** Store what a person says of a span; answers whether that worked. */
    async say({ start, end, verdict, label, event = null }) {
      const body = { start, end, verdict, label, event };
      try {
        const { id } = await actionstream.api(this.path, { method: "POST", json: body });
        this.entries = [{ id, ...body }, ...this.entries];
        this.draw();
        setText(this.words, `Stored: ${this.describe(body)}.`);
        return true;
      } catch (error) {
        setText(this.words, error.message);
        return false;
      }
    }

    async remove(entry) {
      try {
        await actionstream.api(`/feedback/${encodeURIComponent(entry.id)}`, { method: "DELETE" });
        this.entries = this.entries.filter((other) => other.id !== entry.id);
        this.draw();
      } catch (error) {
        setText(this.words, error.message);
      }
    }

    title(name) {
      return this.page.labels.find((label) => label.name === name)?.title ?? name ?? "";
    }

    describe({ verdict, label }) {
      return `${WORDS[verdict]}: ${verdict === "wrong" ? "not " : ""}${this.title(label)}`;
    }

    draw() {
      this.handlers.onChange(this.entries);
      if (!this.box) return;
      setText(this.words, this.entries.length ? "" : "Nothing marked yet.");
      this.list.replaceChildren(...this.entries.map((entry) => this.row(entry)));
    }

    row(entry) {
      const row = make("li");
      row.dataset.verdict = entry.verdict;
      const when = make("button", "link", `${clock(entry.start)} – ${clock(entry.end)}`);
      when.type = "button";
      when.title = "Show it in the graph";
      when.addEventListener("click", () => this.handlers.onShow(entry));
      const remove = make("button", "button tool", "Delete");
      remove.type = "button";
      remove.setAttribute("aria-label", `Delete the feedback of ${clock(entry.start)}`);
      remove.addEventListener("click", () => this.remove(entry));
      row.append(when, make("span", "what", this.describe(entry)), remove);
      return row;
    }
  }

  /** The buttons that ask for a verdict: right, wrong, another label. `label` is what the model
   *  says; `onSay(verdict, label)` is called with the person's word. */
  function verdictButtons(page, label, score, onSay) {
    const box = make("div", "verdict");
    const button = (text, work) => {
      const one = make("button", "button tool", text);
      one.type = "button";
      one.addEventListener("click", work);
      box.append(one);
    };
    if (label) {
      const sure = score === null ? "" : ` (${percent(score)})`;
      box.append(make("span", "says", `Model says: ${label.title}${sure}`));
      button("Right", () => onSay("right", label.name));
      button("Wrong", () => onSay("wrong", label.name));
    }
    const choose = make("select", "tool");
    choose.setAttribute("aria-label", "It is another action");
    const first = make("option", "", label ? "Other …" : "It is …");
    first.value = "";
    choose.append(first);
    for (const other of page.labels) {
      if (other.name === label?.name) continue;
      const option = make("option", "", other.title);
      option.value = other.name;
      choose.append(option);
    }
    choose.addEventListener("change", () => choose.value && onSay("other", choose.value));
    box.append(choose);
    return box;
  }

  /** The class that is strongest over a span, as `[label, score]`; [null, null] if none is known. */
  function strongestOver(history, labels, { start, end }) {
    const sums = labels.map(() => 0);
    let number = 0;
    for (const [rows, first, last] of history.pieces(start, end)) {
      for (let row = first; row < last; row += 1) {
        if (rows.t[row] < start || rows.t[row] > end) continue;
        number += 1;
        labels.forEach((_, column) => { sums[column] += rows.score(row, column) || 0; });
      }
    }
    if (!number) return [null, null];
    const best = sums.indexOf(Math.max(...sums));
    return [labels[best], sums[best] / number];
  }

  Object.assign(actionstream, { Feedback, verdictButtons, strongestOver });
})(window.actionstream);
