// Before the first paint: the theme and language chosen earlier, so that nothing flashes.
(function () {
  var root = document.documentElement;
  try {
    var theme = localStorage.getItem("haechi.theme");
    var lang = localStorage.getItem("haechi.lang");
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    root.lang = lang || (/^ko/.test(navigator.language) ? "ko" : "en");
  } catch (_) {
    // storage may be forbidden; the system's theme and language hold then
  }
})();
