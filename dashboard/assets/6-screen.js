/* The screen beside the graph: the live video or, while the cursor stands in the past, the picture
 * that was kept of that moment; and over it what was going on in the picture that is shown. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { setText, clock, percent, pathOf, STATES } = actionstream;
  const $ = (id) => document.getElementById(id);
  // Two pictures a second are kept: asking for finer times would fetch the same ones again.
  const PICTURE_S = 0.25;
  // How long after its own moment a score is still said of what is shown.
  const FRESH_S = 3;
  const NO_PICTURE = { blob: null, time: 0 };

  class Screen {
    constructor(page, history) {
      this.page = page;
      this.history = history;
      this.video = new actionstream.Video($("video"));
      this.pastAt = null;
      this.asking = false;
    }

    /** Another stream, or none. */
    show(stream) {
      this.forget();
      this.stream = stream;
      if (stream) this.video.show(stream);
      else this.video.stop();
    }

    /** Take the video's own shape, within reason: "640x360". */
    shape(resolution) {
      const [wide, high] = (resolution ?? "").split("x").map(Number);
      if (!(wide > 0 && high > 0)) return;
      const shape = Math.min(2, Math.max(1, wide / high));
      $("screen").style.setProperty("--shape", String(shape));
    }

    /** The moment of the picture on the screen, UTC seconds; null if nobody knows. */
    shownAt() {
      return this.pastAt ?? this.video.shownAt();
    }

    // ---- the past ------------------------------------------------------------------------------

    /** Show the picture of a moment instead of the live one; null: back to live. */
    showPast(time) {
      if (time === this.pastAt) return;
      this.pastAt = time;
      $("screen").classList.toggle("in-past", time !== null);
      $("past-time").hidden = time === null;
      if (time === null) {
        this.forget();
        return;
      }
      setText($("past-time"), `Past · ${clock(time)}`);
      this.fetchPast();
    }

    forget() {
      this.pastAt = null;
      this.wanted = null;
      $("screen").classList.remove("in-past");
      for (const id of ["past", "no-past", "past-time"]) $(id).hidden = true;
      this.setPicture(null);
    }

    setPicture(blob) {
      const image = $("past");
      const old = image.src;
      if (blob) image.src = URL.createObjectURL(blob);
      else image.removeAttribute("src");
      if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    }

    /** One request at a time; when it is answered the newest wish is next. */
    async fetchPast() {
      this.wanted = Math.round(this.pastAt / PICTURE_S) * PICTURE_S;
      if (this.asking) return;
      this.asking = true;
      while (this.wanted !== null && this.wanted !== this.shown) {
        const at = this.wanted;
        const { blob, time } = await this.picture(at);
        if (this.wanted === null) break;
        this.shown = at;
        this.setPicture(blob);
        $("past").hidden = !blob;
        $("past").alt = blob ? `Picture of ${this.stream} at ${clock(time)}` : "";
        if (blob) setText($("past-time"), `Past · ${clock(time)}`);
        $("no-past").hidden = Boolean(blob);
        setText($("no-past"), "No picture was kept of this moment.");
      }
      if (this.wanted === null) this.shown = null;
      this.asking = false;
    }

    async picture(at) {
      try {
        const reply = await fetch(pictureUrl(this.stream, at), { signal: AbortSignal.timeout(5000) });
        if (reply.status !== 200) return NO_PICTURE;
        return { blob: await reply.blob(), time: Number(reply.headers.get("Picture-At")) || at };
      } catch {
        return NO_PICTURE;
      }
    }

    // ---- what goes on --------------------------------------------------------------------------

    /** Say what was going on in the picture that is shown. */
    drawCaption() {
      const { page, history } = this;
      const time = this.shownAt() ?? history.lastTime;
      const at = time === null ? null : history.at(time, FRESH_S);
      const column = at ? at.rows.strongest(at.row) : -1;
      const state = page.summary?.state ?? "live";
      const known = column >= 0 && (state === "live" || this.pastAt !== null);
      const label = known ? page.labels[column] : null;
      const score = label ? at.rows.score(at.row, column) : 0;
      setText($("action"), label ? label.title : this.nothing(state));
      setText($("score"), label ? percent(score) : "");
      const box = $("caption");
      const colour = label ? page.colour(label.index, label.background) : "transparent";
      box.style.setProperty("--label", colour);
      box.classList.toggle("quiet", !label || label.background);
      $("meter").style.transform = `scaleX(${score})`;
    }

    nothing(state) {
      if (this.pastAt !== null) return "No scores of this moment";
      if (this.page.control?.paused) return "Paused";
      return state === "live" ? "Waiting for scores" : STATES[state];
    }
  }

  /** Where the kept picture of a moment is. */
  function pictureUrl(stream, at) {
    return `/api/streams/${pathOf(stream)}/picture.jpg?at=${at.toFixed(3)}`;
  }

  Object.assign(actionstream, { Screen, pictureUrl });
})(window.actionstream);
