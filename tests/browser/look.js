// Everything about a page that must hold at any width and in any theme, as a list of what does not.
const wrong = [];
const all = (selector) => [...document.querySelectorAll(selector)];
const is = (element) => `<${element.tagName.toLowerCase()} ${element.id || element.className || element.textContent.trim().slice(0, 30)}>`;
const expect = (holds, what) => { if (!holds) wrong.push(what); };

expect(document.documentElement.lang === "en", "the page does not say its language");
expect(document.title.includes(" · "), `the title is only "${document.title}"`);
for (const tag of ["h1", "main", "header", "footer"]) {
  expect(all(tag).length === 1, `${all(tag).length} elements <${tag}>`);
}
expect(document.styleSheets.length === 1 && document.styleSheets[0].cssRules.length > 0, "the style is not there");

const page = document.scrollingElement;
expect(page.scrollWidth <= innerWidth, `it is ${page.scrollWidth} wide and scrolls sideways in ${innerWidth}`);

const ids = all("[id]").map((element) => element.id);
expect(new Set(ids).size === ids.length, `an id occurs twice: ${ids}`);
for (const element of all("[aria-describedby], [aria-labelledby]")) {
  const named = `${element.getAttribute("aria-describedby") ?? ""} ${element.getAttribute("aria-labelledby") ?? ""}`;
  for (const id of named.split(" ").filter(Boolean)) {
    expect(document.getElementById(id), `${is(element)} refers to nothing: ${id}`);
  }
}

const seen = (element) => element.checkVisibility() && element.getBoundingClientRect().width > 1;
for (const input of all("input:not([type=hidden])").filter(seen)) {
  expect(input.labels.length === 1 && input.labels[0].textContent.trim(), `${is(input)} has no label`);
}
for (const element of all("a, button, input").filter(seen)) {
  expect(element.tabIndex === 0, `${is(element)} stands outside the order of the page`);
  const { width, height } = element.getBoundingClientRect();
  const inText = getComputedStyle(element).display === "inline";
  expect(inText || Math.min(width, height) >= 24, `${is(element)} is only ${width}×${height} large`);
}
for (const element of all("main *, header *, footer *").filter(seen)) {
  const { left, right } = element.getBoundingClientRect();
  expect(left >= 0 && right <= innerWidth, `${is(element)} reaches from ${left} to ${right}`);
}
return wrong;
