/* The page of uploads: files are taken one after another, results shown below. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { Field, Job, Result, api, make } = actionstream;

  const $ = (id) => document.getElementById(id);

  class Uploads {
    constructor(page) {
      this.page = page;
      this.jobs = [];
      this.models = [];
      this.shown = null;
      this.result = new Result($("result"), page, () => this.describeLabels());
      this.build();
      page.on("route", (route) => this.arrive(route));
      this.arrive(page.route);
    }

    build() {
      const box = $("pick");
      this.input = make("input");
      Object.assign(this.input, { type: "file", accept: "video/*,.mkv,.avi,.ts", multiple: true, id: "files" });
      this.input.className = "unseen";
      const label = make("label", "button primary", "Choose videos");
      label.htmlFor = "files";
      this.model = new Field({ name: "model", label: "Model", kind: "select" });
      box.append(this.input, label, this.model.element);
      this.input.addEventListener("change", () => {
        this.add([...this.input.files]);
        this.input.value = "";
      });
      for (const event of ["dragover", "drop"]) {
        window.addEventListener(event, (drag) => this.drag(drag));
      }
      window.addEventListener("dragleave", (drag) => {
        if (!drag.relatedTarget) $("drop").classList.remove("over");
      });
    }

    /** A file dropped beside the field must not replace the page. */
    drag(event) {
      if (this.page.route !== "uploads" || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      $("drop").classList.toggle("over", event.type === "dragover");
      if (event.type === "drop") this.add([...event.dataTransfer.files]);
    }

    async arrive(route) {
      if (route !== "uploads") {
        this.result.pause();
        return;
      }
      try {
        this.models = await api("/models");
        this.model.complain("");
      } catch (error) {
        this.model.complain(error.message);
      }
      const options = this.models.map(({ name, version }) => [name, `${name} ${version}`]);
      this.model.offer([["", "The worker\u2019s usual one"], ...options]);
    }

    /** Index, title and background of every label of a model, by name. */
    labelsOf(model) {
      const found = this.models.find(({ name, version }) => `${name}@${version}` === model);
      return {
        reference: found?.input?.reference ?? 0.5,
        labels: new Map((found?.labels ?? []).map((label, index) => [label.name, { ...label, index }])),
      };
    }

    add(files) {
      const limit = this.page.config.upload_mb;
      for (const file of files) {
        const job = new Job({
          file, model: this.model.value,
          onChange: () => this.next(),
          onOpen: (one) => this.show(one),
          onRemove: (one) => this.remove(one),
        });
        this.jobs.unshift(job);
        $("jobs").prepend(job.element);
        if (file.size > limit * 2 ** 20) job.to("failed", `The worker takes at most ${limit} MB.`);
        else if (!file.size) job.to("failed", "The file is empty.");
      }
      this.next();
    }

    /** Send one file at a time, in the order in which they were chosen. */
    next() {
      if (this.jobs.some((job) => job.state === "sending")) return;
      const job = this.jobs.findLast(({ state }) => state === "waiting");
      if (!job) return;
      job.run().then(() => {
        // The first result is shown by itself; later ones must not take it away.
        if (job.state === "done" && !this.shown) this.show(job);
      });
    }

    show(job) {
      this.shown = job;
      for (const one of this.jobs) one.element.toggleAttribute("data-shown", one === job);
      this.result.show(job, this.labelsOf(job.result.model));
    }

    remove(job) {
      this.jobs = this.jobs.filter((one) => one !== job);
      job.element.remove();
      if (this.shown !== job) return;
      this.shown = null;
      this.result.clear();
    }
  }

  actionstream.ready((page) => {
    if ($("drop")) actionstream.uploadsPage = new Uploads(page);
  });
})(window.actionstream);
