//! What a page has to be for everybody: in light and dark, narrow and wide, to a screen reader.

use anyhow::ensure;
use berth_integration_tests::Browser;
use serde_json::Value;

/// What is wrong with the page for who does not see it, or not well. Each line names the element.
const AUDIT: &str = r"
const wrong = [];
const name = (element) => element.outerHTML.slice(0, 120);
const shown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
const all = (selector) => [...document.querySelectorAll(selector)];
if (document.documentElement.lang !== 'en') wrong.push('no language');
if (!document.title.trim()) wrong.push('no title');
for (const landmark of ['header', 'main']) if (all(landmark).length !== 1) wrong.push(`not one ${landmark}`);
if (all('h1').length !== 1) wrong.push('not one h1');
let level = 0;
for (const heading of all('h1,h2,h3,h4')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) wrong.push(`a level is left out before ${name(heading)}`);
    level = own;
}
const ids = all('[id]').map((element) => element.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`two of ${id}`);
for (const field of all('input:not([type=hidden]),select,textarea')) {
    if (!field.labels.length && !field.ariaLabel) wrong.push(`no label: ${name(field)}`);
    for (const id of (field.getAttribute('aria-describedby') ?? '').split(' ').filter(Boolean))
        if (!document.getElementById(id)) wrong.push(`no ${id}`);
}
for (const control of all('a,button,summary')) if (!control.textContent.trim()) wrong.push(`no name: ${name(control)}`);
for (const nav of all('nav')) if (!nav.ariaLabel) wrong.push(`no name: ${name(nav)}`);
for (const control of all('button,.button,input:not([type=hidden]),select').filter(shown)) {
    const box = control.getBoundingClientRect();
    if (box.height < 24 || box.width < 24) wrong.push(`too small: ${name(control)}`);
}
const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
const channel = (value) => { value /= 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4 };
const light = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
const ground = (element) => {
    for (; element; element = element.parentElement) {
        const colour = parse(getComputedStyle(element).backgroundColor);
        if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return parse(getComputedStyle(document.documentElement).colorScheme.includes('dark') && matchMedia('(prefers-color-scheme: dark)').matches ? 'rgb(0,0,0)' : 'rgb(255,255,255)');
};
for (const element of all('body *').filter(shown)) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) wrong.push(`${contrast.toFixed(2)}: ${name(element)}`);
}
if (document.documentElement.scrollWidth > window.innerWidth) wrong.push(`wider than ${window.innerWidth} pixels`);
return wrong;
";

/// Looks at pages as they are met.
pub(crate) struct Look<'a> {
    browser: &'a Browser,
    pages: usize,
}

impl<'a> Look<'a> {
    pub(crate) const fn new(browser: &'a Browser) -> Self {
        Self { browser, pages: 0 }
    }

    /// At the page as it is: wide and at 320 pixels, light and dark.
    pub(crate) async fn at(&mut self, page: &str) -> anyhow::Result<()> {
        self.pages += 1;
        for (width, scheme) in [(320, "dark"), (320, "light"), (1280, "dark"), (1280, "light")] {
            self.browser.resize(width).await?;
            self.browser.prefer(scheme).await?;
            let wrong = self.browser.run(AUDIT).await?;
            let file = format!("page-{:02}-{page}-{width}-{scheme}.png", self.pages);
            self.browser.screenshot(&file).await?;
            ensure!(wrong == Value::Array(vec![]), "{page} at {width}, {scheme}: {wrong:#}");
        }
        Ok(())
    }

    /// The browser has nothing to complain of: no broken policy, no error of a script, no request that failed.
    pub(crate) async fn quiet(&self) -> anyhow::Result<()> {
        let complaints = self.browser.complaints().await?;
        // The editor's page, which is another host's, has its own. A form that was refused is answered so.
        let ours = |complaint: &String| {
            complaint.starts_with("http://localhost") && !complaint.contains("status of 422")
        };
        let complaints: Vec<_> = complaints.into_iter().filter(ours).collect();
        ensure!(complaints.is_empty(), "{complaints:#?}");
        Ok(())
    }
}
