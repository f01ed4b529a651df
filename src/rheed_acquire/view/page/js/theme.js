// Dark or light, as the system is or as was chosen last; a plain script in the head, so that a light page never flashes in the dark.
"use strict";

(() => {
  const KEY = "rheed-view-theme";
  const system = matchMedia("(prefers-color-scheme: light)");
  let chosen = "system";
  try {
    chosen = localStorage.getItem(KEY) ?? "system";
  } catch {
    // storage may be forbidden: the choice then holds for this page only
  }

  const apply = () => {
    const light = chosen === "light" || (chosen === "system" && system.matches);
    document.documentElement.dataset.theme = light ? "light" : "dark";
    document.dispatchEvent(new Event("themechange"));
  };

  system.addEventListener("change", apply);
  apply();
  document.addEventListener("DOMContentLoaded", () => {
    /** @type {HTMLSelectElement} */ (document.getElementById("theme")).value = chosen;
  });
  // At the document: the choice may be made before the rest of the page is there.
  document.addEventListener("change", (event) => {
    const select = /** @type {HTMLSelectElement} */ (event.target);
    if (select.id !== "theme") return;
    chosen = select.value;
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // as above
    }
    apply();
  });
})();
