// SPDX-License-Identifier: Apache-2.0
// Takes the pictures of docs/images from a running agent:
//   node tests/page/screenshots.mjs http://127.0.0.1:10088/ FILTER POD
import path from "node:path";
import { startBrowser } from "./agent.mjs";

const [address, filter, pod] = process.argv.slice(2);
const images = path.resolve(import.meta.dirname, "../../docs/images");
const shots = {
  "page-light": { colorScheme: "light", viewport: { width: 1300, height: 620 } },
  "page-dark": { colorScheme: "dark", viewport: { width: 1300, height: 620 } },
  "page-phone": { colorScheme: "light", viewport: { width: 360, height: 740 } },
  "page-pod": { colorScheme: "light", viewport: { width: 1180, height: 760 } },
};

const browser = await startBrowser();
for (const [name, options] of Object.entries(shots)) {
  const page = await browser.newPage(options);
  await page.goto(`${address}#${new URLSearchParams({ filter })}`);
  await page.getByText(/^scanned \d+ s ago/).waitFor();
  if (name === "page-pod") {
    await page.getByRole("link", { name: pod }).click();
    await page.locator("dialog table").first().waitFor();
  }
  await page.screenshot({ path: path.join(images, `${name}.png`) });
  await page.close();
}
await browser.close();
