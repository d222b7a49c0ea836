/* One video on its way: sent, waiting, scored. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { ApiError, api, make, setText, percent, request } = actionstream;
  const BUSY_S = 5;
  const LOST_MS = 3000;
  const LOST_TRIES = 5;

  function size(bytes) {
    return bytes < 1e6 ? `${Math.ceil(bytes / 1000)}\u00a0kB` : `${(bytes / 1e6).toFixed(1)}\u00a0MB`;
  }

  function seconds(count) {
    return `${Math.ceil(count)}\u00a0s`;
  }

  class Job {
    /** @param {{file: File, model: string, onChange: function(Job), onOpen: function(Job),
     *    onRemove: function(Job)}} parts */
    constructor(parts) {
      Object.assign(this, parts);
      this.state = "waiting";
      this.build();
      this.say("Waiting for its turn", null);
    }

    build() {
      this.element = make("div", "job panel");
      this.element.setAttribute("role", "listitem");
      this.name = make("strong", "name", this.file.name);
      this.size = make("span", "faint", size(this.file.size));
      this.words = make("p", "faint");
      this.words.setAttribute("role", "status");
      this.bar = make("progress");
      this.bar.setAttribute("aria-label", `Progress of ${this.file.name}`);
      this.open = this.button("Show", "primary", () => this.onOpen(this));
      this.again = this.button("Try again", "", () => this.restart());
      this.stop = this.button("Cancel", "", () => this.cancel());
      this.drop = this.button("Remove", "", () => this.onRemove(this));
      const buttons = make("div", "buttons");
      buttons.append(this.open, this.again, this.stop, this.drop);
      this.element.append(this.name, this.size, this.words, this.bar, buttons);
    }

    button(text, look, act) {
      const button = make("button", `button ${look}`.trim(), text);
      button.type = "button";
      button.setAttribute("aria-label", `${text}: ${this.file.name}`);
      button.addEventListener("click", act);
      return button;
    }

    get over() {
      return ["done", "failed", "cancelled"].includes(this.state);
    }

    /** Tell how far it is; `share` is null where nobody knows. */
    say(words, share) {
      this.words.className = this.state === "failed" ? "wrong" : "faint";
      setText(this.words, words);
      if (share === null) this.bar.removeAttribute("value");
      else this.bar.value = share;
      this.bar.hidden = this.over || this.state === "waiting";
      this.open.hidden = this.state !== "done";
      this.again.hidden = !["failed", "cancelled"].includes(this.state);
      this.stop.hidden = this.over;
      this.drop.hidden = !this.over;
      this.element.dataset.state = this.state;
    }

    to(state, words, share = null) {
      this.state = state;
      this.say(words, share);
      this.onChange(this);
    }

    restart() {
      this.to("waiting", "Waiting for its turn");
    }

    /** Send it and follow it to its end. */
    async run() {
      this.stopped = false;
      try {
        const job = await this.send();
        this.id = job.id;
        const end = await this.follow();
        if (end.state === "done") await this.finish();
        else if (end.state === "cancelled") this.to("cancelled", "Cancelled");
        else throw new ApiError(end.problem?.detail ?? "The worker could not score it.");
      } catch (error) {
        if (this.stopped) this.to("cancelled", "Cancelled");
        else this.to("failed", error.message);
      }
    }

    /** Upload it; while the worker is full, wait for a free place. */
    async send() {
      for (;;) {
        this.to("sending", "Sending \u2026", 0);
        try {
          return await this.upload();
        } catch (error) {
          if (error.status !== 429 || this.stopped) throw error;
          await this.pause(error.retryAfter ?? BUSY_S);
        }
      }
    }

    async pause(length) {
      for (let left = length; left > 0 && !this.stopped; left -= 1) {
        this.to("sending", `The worker is busy; trying again in ${seconds(left)}`);
        await new Promise((resolve) => { setTimeout(resolve, Math.min(1, left) * 1000); });
      }
      if (this.stopped) throw new ApiError("Cancelled");
    }

    /** `fetch` cannot tell how much of a body has been sent. */
    upload() {
      return new Promise((resolve, reject) => {
        const sender = this.sender = new XMLHttpRequest();
        const query = new URLSearchParams({ wait: "false", windows: "true" });
        if (this.model) query.set("model", this.model);
        sender.open("POST", `/api/predictions?${query}`);
        sender.responseType = "json";
        sender.upload.onprogress = ({ loaded, total }) => this.say(
          loaded < total ? `Sending \u2026 ${percent(loaded / total)}` : "Sent; waiting for the worker",
          loaded / total);
        sender.onload = () => {
          if (sender.status < 300) resolve(sender.response);
          else {
            reject(new ApiError(sender.response?.detail || `It failed (status ${sender.status}).`, {
              status: sender.status, code: sender.response?.code,
              retryAfter: Number(sender.getResponseHeader("Retry-After")) || null,
            }));
          }
        };
        sender.onerror = () => reject(new ApiError("The upload broke off. Does the dashboard still run?"));
        sender.onabort = () => reject(new ApiError("Cancelled"));
        const form = new FormData();
        form.append("file", this.file);
        sender.send(form);
      });
    }

    /** Hear of its progress until it has ended. */
    follow() {
      return new Promise((resolve, reject) => {
        const events = new EventSource(`/api/jobs/${this.id}/events`);
        let lost = 0;
        const hear = ({ data }) => {
          lost = 0;
          const job = JSON.parse(data);
          if (["done", "failed", "cancelled"].includes(job.state)) {
            events.close();
            resolve(job);
          } else if (job.state === "queued") {
            this.to("queued", "Waiting for other videos to be scored");
          } else {
            this.to("running", `Scoring \u2026 ${percent(job.progress)}`, job.progress);
          }
        };
        for (const state of ["queued", "running", "done", "failed", "cancelled"]) {
          events.addEventListener(state, hear);
        }
        events.onerror = () => {
          lost += 1;
          // The browser tries again by itself, but not where the answer was a refusal.
          if (lost < LOST_TRIES && events.readyState !== EventSource.CLOSED) return;
          events.close();
          setTimeout(() => this.ask().then(resolve, reject), LOST_MS);
        };
      });
    }

    /** Where events do not come through: ask now and then. */
    async ask() {
      for (;;) {
        const job = await api(`/jobs/${this.id}`);
        if (["done", "failed", "cancelled"].includes(job.state)) return job;
        this.to("running", `Scoring \u2026 ${percent(job.progress)}`, job.progress);
        await new Promise((resolve) => { setTimeout(resolve, LOST_MS / 2); });
      }
    }

    async finish() {
      this.result = await request(`/api/jobs/${this.id}/result.json`);
      const { segments, duration_s: length } = this.result;
      const found = segments.length === 1 ? "1 action" : `${segments.length || "no"} actions`;
      this.to("done", `${found} in ${length.toFixed(1)}\u00a0s`, 1);
    }

    async cancel() {
      this.stopped = true;
      this.sender?.abort();
      if (this.state === "waiting") this.to("cancelled", "Cancelled");
      if (!this.id || this.over) return;
      try {
        await api(`/jobs/${this.id}`, { method: "DELETE" });
      } catch (error) {
        this.say(error.message, null);
      }
    }
  }

  actionstream.Job = Job;
})(window.actionstream);
