"use strict";
// Finds pages by their words. The words are a script of their own, which is loaded when somebody searches:
// so it works from a file as well as from a server.
(() => {
  const root = document.currentScript.dataset.root;
  const box = document.getElementById("search"), found = document.getElementById("found");
  const pages = document.querySelector("nav details");
  if (matchMedia("(max-width: 48rem)").matches) pages.open = false;
  let loading;
  const load = () => loading ||= new Promise((done) => {
    const words = document.createElement("script");
    words.src = root + "words.js";
    words.onload = done;
    document.head.append(words);
  });
  const scored = (terms) => PAGES.map(([url, title, text]) => {
    const low = text.toLowerCase(), head = title.toLowerCase();
    if (!terms.every((term) => low.includes(term))) return null;
    const score = terms.reduce((sum, term) => sum + (head.includes(term) ? 100 : 0) + Math.min(20, low.split(term).length), 0);
    return { url, title, text, at: low.indexOf(terms[0]), score: /^(source|reference)\//.test(url) ? score / 10 : score };
  }).filter(Boolean).sort((a, b) => b.score - a.score).slice(0, 12);
  const show = async () => {
    const terms = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = !terms.length;
    if (!terms.length) return;
    await load();
    const pages = scored(terms), list = document.createElement("ul");
    for (const page of pages) {
      const item = document.createElement("li"), link = document.createElement("a");
      link.href = root + page.url;
      link.textContent = page.title;
      const word = document.createElement("mark"), end = page.at + terms[0].length;
      word.textContent = page.text.slice(page.at, end);
      item.append(link, ": … ", page.text.slice(Math.max(0, page.at - 50), page.at), word, page.text.slice(end, end + 70), " …");
      list.append(item);
    }
    found.replaceChildren(pages.length ? list : `Nothing about “${box.value}”.`);
  };
  box.addEventListener("input", show);
  box.form.addEventListener("submit", (event) => {
    event.preventDefault();
    found.querySelector("a")?.click();
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); }
    if (event.key === "Escape" && document.activeElement === box) { box.value = ""; show(); }
  });
})();
