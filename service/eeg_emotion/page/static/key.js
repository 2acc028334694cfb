// The key or token with which the page reads a service that asks for one.
//
// It is kept for this tab and until it is closed, nowhere else: no cookie, which other sites could
// make use of, and no storage that outlives the person at a shared computer.

const ENTRY = "eeg-emotion-key";

/** The key that was entered, null where there is none. */
export const key = () => sessionStorage.getItem(ENTRY);

/** No longer offer a key that was refused. */
export const forgetKey = () => sessionStorage.removeItem(ENTRY);

/** Asks for a key in a dialog, and calls `onKey` once there is one. */
export class KeyDialog {
  constructor(onKey) {
    this.dialog = document.getElementById("key-dialog");
    this.input = document.getElementById("key-input");
    this.dialog.addEventListener("close", () => {
      const entered = this.input.value.trim();
      this.input.value = ""; // it stands in the page no longer than it must
      if (this.dialog.returnValue !== "use" || entered === "") return;
      sessionStorage.setItem(ENTRY, entered);
      onKey();
    });
  }

  /** Ask, saying why; a dialog that is open already only changes its reason. */
  ask(why) {
    document.getElementById("key-why").textContent = why;
    if (this.dialog.open) return;
    this.dialog.returnValue = ""; // Escape leaves it as it was
    this.dialog.showModal();
  }
}
