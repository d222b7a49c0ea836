/* Dialogs: a question, or a form whose errors stand at the field they are about. */
"use strict";

window.actionstream = window.actionstream || {};

(function (actionstream) {
  const { make, setText } = actionstream;
  let count = 0;

  /** One line of a form: label, input, hint, error. */
  class Field {
    constructor({ name, label, hint = "", kind = "text", ...rest }) {
      this.name = name;
      this.kind = kind;
      count += 1;
      const id = `field-${count}`;
      this.input = make(kind === "select" ? "select" : "input");
      if (kind !== "select") this.input.type = kind;
      Object.assign(this.input, { id, name, autocomplete: "off", spellcheck: false }, rest);
      this.label = make("label", "", label);
      this.label.htmlFor = id;
      this.hint = make("p", "hint", hint);
      this.hint.id = `${id}-hint`;
      this.error = make("p", "wrong");
      this.error.id = `${id}-wrong`;
      this.error.setAttribute("role", "alert");
      this.input.setAttribute("aria-describedby", `${this.hint.id} ${this.error.id}`);
      this.element = make("div", `field ${kind}`);
      this.element.append(this.label, this.input, this.hint, this.error);
      this.input.addEventListener("input", () => this.complain(""));
    }

    get value() {
      return this.kind === "checkbox" ? this.input.checked : this.input.value.trim();
    }

    set value(value) {
      if (this.kind === "checkbox") this.input.checked = Boolean(value);
      else this.input.value = value ?? "";
    }

    /** @param {string[][]} options value and text of each */
    offer(options) {
      const before = this.input.value;
      this.input.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
      if (options.some(([value]) => value === before)) this.input.value = before;
    }

    complain(text) {
      setText(this.error, text);
      if (text) this.input.setAttribute("aria-invalid", "true");
      else this.input.removeAttribute("aria-invalid");
    }
  }

  class Dialog {
    /** @param {{title: string, submit: string, look?: string, fields?: object[],
     *    place?: function(Error): string}} parts `place` names the field an error is about */
    constructor({ title, submit, look = "primary", fields = [], place = () => "" }) {
      this.fields = new Map(fields.map((field) => [field.name, new Field(field)]));
      this.place = place;
      count += 1;
      this.dialog = make("dialog", "dialog");
      this.form = make("form");
      this.form.noValidate = true;
      this.title = make("h2", "", title);
      this.title.id = `dialog-${count}`;
      this.text = make("p", "faint");
      this.error = make("p", "wrong");
      this.error.setAttribute("role", "alert");
      this.cancel = make("button", "button", "Cancel");
      this.cancel.type = "button";
      this.submit = make("button", `button ${look}`, submit);
      const buttons = make("div", "buttons");
      buttons.append(this.cancel, this.submit);
      const lines = [...this.fields.values()].map((field) => field.element);
      this.form.append(this.title, this.text, ...lines, this.error, buttons);
      this.dialog.append(this.form);
      this.dialog.setAttribute("aria-labelledby", this.title.id);
      document.body.append(this.dialog);
      this.cancel.addEventListener("click", () => this.dialog.close());
      this.form.addEventListener("submit", (event) => this.send(event));
    }

    /** Ask; `act(values)` does what was asked for, and may throw what is wrong.
     *  @param {{title?: string, text?: string, submit?: string, values?: object,
     *    check?: function(object): object, act: function(object): Promise}} question */
    open({ title, text = "", submit, values = {}, check = () => ({}), act }) {
      this.act = act;
      this.check = check;
      if (title) setText(this.title, title);
      if (submit) setText(this.submit, submit);
      setText(this.text, text);
      setText(this.error, "");
      for (const [name, field] of this.fields) {
        field.value = values[name];
        field.complain("");
      }
      this.dialog.showModal();
    }

    async send(event) {
      event.preventDefault();
      if (this.submit.disabled) return;
      const values = {};
      for (const [name, field] of this.fields) values[name] = field.value;
      setText(this.error, "");
      if (this.complain(this.check(values))) return;
      this.submit.disabled = true;
      try {
        await this.act(values);
        this.dialog.close();
      } catch (error) {
        const field = this.place(error);
        if (!this.complain({ [field]: error.message })) setText(this.error, error.message);
      } finally {
        this.submit.disabled = false;
      }
    }

    /** Say at each field what is wrong with it; whether there was anything. */
    complain(wrongs) {
      let first = null;
      for (const [name, field] of this.fields) {
        field.complain(wrongs[name] ?? "");
        if (wrongs[name]) first ??= field;
      }
      first?.input.focus();
      return first !== null;
    }
  }

  Object.assign(actionstream, { Dialog, Field });
})(window.actionstream);
