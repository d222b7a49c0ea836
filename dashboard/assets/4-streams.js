/* Adding, changing and removing streams from the page. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { Dialog, api, make, pathOf } = actionstream;

  /** The field that an error of the API is about. */
  function placeOf(error) {
    if (error.field) return error.field;
    if (/duplicate|exists|conflict/.test(error.code ?? "")) return "name";
    if (/model|bundle/.test(error.code ?? "")) return "model";
    return /source|url/.test(error.code ?? "") ? "url" : "";
  }

  function check({ name, url }) {
    const wrong = {};
    if (!name) wrong.name = "Give the stream a name.";
    else if (/[\s+#]/.test(name)) wrong.name = "A name has no spaces and none of + and #.";
    else if (name.length > 128) wrong.name = "A name has at most 128 letters.";
    if (!url) wrong.url = "Say where the video comes from.";
    return wrong;
  }

  class StreamEditor {
    constructor(page) {
      this.page = page;
      this.form = new Dialog({
        title: "Add a stream", submit: "Add", place: placeOf,
        fields: [
          { name: "name", label: "Name", hint: "Shown here and used in topics.", maxLength: 128,
            placeholder: "hall/cam1" },
          { name: "url", label: "Video", placeholder: "rtsp://camera.example/stream",
            hint: "RTSP or HTTP address, or a file or camera of the worker\u2019s machine." },
          { name: "model", label: "Model", hint: "Which actions are recognised.", kind: "select" },
          { name: "loop", label: "Start a file again when it ends", kind: "checkbox" },
          { name: "annotate", label: "Publish the video with the scores drawn in", kind: "checkbox",
            hint: "As a second stream called NAME/annotated." },
        ],
      });
      this.question = new Dialog({ title: "Remove this stream?", submit: "Remove", look: "danger" });
      this.popup = make("div", "menu");
      this.popup.setAttribute("popover", "auto");
      this.popup.setAttribute("role", "menu");
      this.edit = this.item("Change \u2026", () => this.change(this.name));
      this.drop = this.item("Remove \u2026", () => this.remove(this.name));
      this.drop.classList.add("danger");
      this.popup.addEventListener("keydown", (event) => this.walk(event));
      document.body.append(this.popup);
    }

    item(text, act) {
      const button = make("button", "", text);
      button.type = "button";
      button.setAttribute("role", "menuitem");
      button.addEventListener("click", () => {
        this.popup.hidePopover();
        act();
      });
      this.popup.append(button);
      return button;
    }

    /** Arrow keys walk through the menu. */
    walk(event) {
      if (!["ArrowDown", "ArrowUp"].includes(event.key)) return;
      event.preventDefault();
      (document.activeElement === this.edit ? this.drop : this.edit).focus();
    }

    /** What can be done with a stream, beside the button that was pressed. */
    menu(name, button) {
      this.name = name;
      this.popup.setAttribute("aria-label", name);
      this.popup.showPopover();
      const { right, bottom } = button.getBoundingClientRect();
      const { offsetWidth, offsetHeight } = this.popup;
      const top = bottom + offsetHeight + 8 > innerHeight ? bottom - offsetHeight - 40 : bottom + 4;
      this.popup.style.left = `${Math.max(8, right - offsetWidth)}px`;
      this.popup.style.top = `${Math.max(8, top)}px`;
      this.edit.focus();
    }

    async offerModels() {
      const options = [["", "The worker\u2019s usual one"]];
      try {
        for (const { name, version, labels } of await api("/models")) {
          options.push([name, `${name} ${version}: ${labels.length} classes`]);
        }
      } catch {
        // The usual model can be chosen without a list; what is wrong is said when it is sent.
      }
      this.form.fields.get("model").offer(options);
    }

    async add() {
      this.form.open({
        title: "Add a stream", submit: "Add", check,
        act: (values) => api("/streams", { method: "POST", json: this.settings(values) }),
      });
      this.form.fields.get("name").input.readOnly = false;
      await this.offerModels();
    }

    settings({ name, url, model, loop, annotate }) {
      return { name, url, loop, annotate, model: model || null };
    }

    async change(name) {
      let stream;
      try {
        [stream] = await Promise.all([api(`/streams/${pathOf(name)}`), this.offerModels()]);
      } catch (error) {
        this.question.open({ title: "It cannot be changed now", text: error.message,
          submit: "Try again", act: () => { setTimeout(() => this.change(name)); } });
        return;
      }
      this.form.open({
        title: `Change ${name}`, submit: "Save", check,
        values: { ...stream, name, model: stream.chosen_model ?? "" },
        act: (values) => api(`/streams/${pathOf(name)}`, {
          method: "PUT", json: this.settings(values),
        }),
      });
      this.form.fields.get("name").input.readOnly = true;
    }

    remove(name) {
      this.question.open({
        title: `Remove ${name}?`, submit: "Remove",
        text: "Its video is no longer analysed. What was recorded of it stays.",
        act: () => api(`/streams/${pathOf(name)}`, { method: "DELETE" }),
      });
    }
  }

  actionstream.StreamEditor = StreamEditor;
})(window.actionstream);
