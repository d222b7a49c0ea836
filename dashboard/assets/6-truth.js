/* An annotation file that somebody drops on the page: laid over the stream by its media time, and
 * compared with what the model says. The file is read in the browser and goes nowhere. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText, percent } = actionstream;
  const MOST_BYTES = 5_000_000;
  const MOST_SPANS = 2000;
  const NAMES = {
    video: ["video", "video_id", "video_name", "file", "filename", "file_name", "path"],
    label: ["label", "action", "class", "activity"],
    start: ["start", "start_s", "start_time", "begin"],
    end: ["end", "end_s", "end_time", "stop"],
  };

  /** Videos of a file: `[{name, duration (null if unknown), spans: [{label, start, end}]}]`.
   *  @throws {Error} whose message says what is wrong */
  function parseAnnotations(text) {
    const videos = text.trimStart().startsWith("{") ? fromJson(text) : fromTable(text);
    const used = videos.filter(({ spans }) => spans.length);
    if (!used.length) throw new Error("There is no annotated span in this file.");
    for (const video of used) check(video);
    return used;
  }

  function check({ spans }) {
    for (const { label, start, end } of spans) {
      if (!label || !(start >= 0) || !(end > start)) {
        throw new Error(`“${label}” runs from ${start} to ${end} s: that is no span.`);
      }
    }
    spans.sort((a, b) => a.start - b.start);
  }

  function spansOf(annotations) {
    return annotations.map(({ label, segment }) => ({
      label: String(label), start: Number(segment[0]), end: Number(segment[1]),
    }));
  }

  /** ActivityNet's form with its `database`, or our own with one video. */
  function fromJson(text) {
    try {
      const tree = JSON.parse(text);
      const entries = tree.database ? Object.entries(tree.database) : [["", tree]];
      return entries.map(([name, { annotations, duration }]) => ({
        name, duration: Number(duration) || null, spans: spansOf(annotations ?? []),
      }));
    } catch {
      throw new Error("This is no annotation file: expected ActivityNet's JSON, or a table.");
    }
  }

  function cells(line, delimiter) {
    const found = [];
    const cell = new RegExp(`(?:"((?:[^"]|"")*)"|([^${delimiter}]*))(${delimiter}|$)`, "y");
    for (;;) {
      const match = cell.exec(line);
      if (!match) break;
      found.push((match[1]?.replaceAll('""', '"') ?? match[2]).trim());
      if (!match[3]) break;
    }
    return found;
  }

  /** A table with the columns label, start, end and perhaps video; comma, semicolon or tab. */
  function fromTable(text) {
    const lines = text.replace(/^\ufeff/, "").split(/\r?\n/).filter((line) => line.trim());
    const heads = ["\t", ";", ","].map((delimiter) =>
      [delimiter, cells(lines[0] ?? "", delimiter).map((name) => name.toLowerCase())]);
    const place = (header, key) => header.findIndex((name) => NAMES[key].includes(name));
    const found = heads.find(([, header]) => ["label", "start", "end"].every((key) => place(header, key) >= 0));
    if (!found) throw new Error("This is no annotation file: the table needs the columns label, start and end.");
    const [delimiter, header] = found;
    const videos = new Map();
    for (const line of lines.slice(1)) {
      const row = cells(line, delimiter);
      const value = (key) => row[place(header, key)] ?? "";
      const name = value("video");
      if (!videos.has(name)) videos.set(name, { name, duration: null, spans: [] });
      videos.get(name).spans.push({
        label: value("label"), start: Number(value("start") || NaN), end: Number(value("end") || NaN),
      });
    }
    return [...videos.values()];
  }

  class TruthFile {
    /** @param {{onChange: function()}} handlers */
    constructor(box, dropZone, page, graph, history, handlers) {
      Object.assign(this, { page, graph, history, handlers });
      this.videos = [];
      this.build(box);
      dropZone.addEventListener("dragover", (event) => {
        if (event.dataTransfer.types.includes("Files")) event.preventDefault();
      });
      dropZone.addEventListener("drop", (event) => {
        const [file] = event.dataTransfer.files;
        if (!file) return;
        event.preventDefault();
        this.read(file);
      });
    }

    build(box) {
      const label = make("label", "button file", "Compare with annotations …");
      label.title = "A file of what the video shows: ActivityNet's JSON, or a table (CSV). Or drop it here.";
      this.input = make("input");
      Object.assign(this.input, { type: "file", accept: ".json,.csv,.tsv,.txt" });
      this.input.addEventListener("change", () => this.input.files[0] && this.read(this.input.files[0]));
      label.append(this.input);
      this.words = make("p", "words");
      this.words.setAttribute("role", "status");
      this.chooser = make("select");
      this.chooser.setAttribute("aria-label", "Video of the file");
      this.chooser.addEventListener("change", () => this.use(Number(this.chooser.value)));
      this.now = this.button("It begins now", () => {
        this.zero = this.graph.view.now();
        this.handlers.onChange();
      });
      this.away = this.button("Take it away", () => this.clear());
      box.replaceChildren(label, this.chooser, this.now, this.away, this.words);
      this.clear();
    }

    button(text, work) {
      const button = make("button", "button", text);
      button.type = "button";
      button.addEventListener("click", work);
      return button;
    }

    clear() {
      this.videos = [];
      this.video = null;
      this.zero = null;
      this.input.value = "";
      setText(this.words, "");
      this.show();
    }

    show() {
      this.chooser.hidden = this.videos.length < 2;
      this.now.hidden = this.away.hidden = !this.video;
      this.handlers.onChange();
    }

    async read(file) {
      this.clear();
      try {
        if (file.size > MOST_BYTES) throw new Error("This file is too large for annotations.");
        this.videos = parseAnnotations(await file.text());
      } catch (error) {
        setText(this.words, error.message);
        this.show();
        return;
      }
      this.chooser.replaceChildren(...this.videos.map(({ name }, place) => {
        const option = make("option", "", name || "the video");
        option.value = String(place);
        return option;
      }));
      const own = this.videos.findIndex(({ name }) => name && this.page.stream.endsWith(name));
      this.chooser.value = String(Math.max(0, own));
      this.use(Math.max(0, own));
    }

    use(place) {
      this.video = this.videos[place];
      this.show();
    }

    /** Spans of the file over a span of the clock, background included: `[{name, start, end}]`. */
    lay({ from, to }) {
      const zero = this.zero ?? this.page.summary?.media_zero;
      if (!this.video || zero === null || zero === undefined) return null;
      const { duration, spans } = this.video;
      const first = duration ? Math.max(0, Math.floor((from - zero) / duration)) : 0;
      const last = duration ? Math.floor((to - zero) / duration) : 0;
      const laid = [];
      for (let loop = first; loop <= last && laid.length < MOST_SPANS; loop += 1) {
        const begin = zero + loop * (duration ?? 0);
        let at = begin;
        for (const span of spans) {
          const start = Math.max(at, begin + span.start);
          const end = begin + Math.min(span.end, duration ?? Infinity);
          if (end <= start) continue;
          if (start > at) laid.push({ name: null, start: at, end: start });
          laid.push({ name: span.label, start, end });
          at = end;
        }
        const until = duration ? begin + duration : to;
        if (until > at) laid.push({ name: null, start: at, end: until });
      }
      return laid.filter((span) => span.end > from && span.start < to);
    }

    /** Bars for the timeline; null without a file. */
    bars(range) {
      const laid = this.lay(range);
      if (!laid) return null;
      const { labels } = this.page;
      return laid.filter(({ name }) => name !== null).map(({ name, start, end }) => {
        const label = labels.find((one) => one.name === name || one.title === name);
        return { title: label?.title ?? name, index: label ? label.index : -1, background: label?.background, start, end };
      });
    }

    /** Say how often the strongest class is the file's. A window that reaches over a boundary shows
     *  two things and is not judged, as in dashboard/truth.py. */
    judge(range) {
      const laid = this.lay(range);
      if (!laid) {
        if (this.video) setText(this.words, "Waiting for the stream's time …");
        return;
      }
      const { labels, summary } = this.page;
      const wide = summary?.window ?? 0;
      const { reference } = this.history;
      let judged = 0;
      let right = 0;
      for (const [rows, first, last] of this.history.pieces(range.from, range.to)) {
        for (let row = first; row < last; row += 1) {
          const start = rows.t[row] - reference * wide;
          const span = laid.find((one) => one.start <= start && start + wide <= one.end);
          const column = rows.strongest(row);
          if (!span || column < 0) continue;
          judged += 1;
          const { name, title, background } = labels[column];
          right += span.name === null ? Boolean(background) : span.name === name || span.name === title;
        }
      }
      setText(this.words, judged
        ? `The model agrees in ${percent(right / judged)} of ${judged} windows in view.`
        : "No window in view can be judged.");
    }
  }

  Object.assign(actionstream, { TruthFile, parseAnnotations });
})(window.actionstream);
