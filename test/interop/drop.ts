import type { Page } from 'playwright-core';

/** Drops a file onto the page, as a file manager would. */
export async function drop(page: Page, name: string, content: Buffer): Promise<void> {
  const base64 = JSON.stringify(content.toString('base64'));
  const dataTransfer = await page.evaluateHandle(`(() => {
    const bytes = Uint8Array.from(atob(${base64}), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], ${JSON.stringify(name)}));
    return transfer;
  })()`);
  await page.locator('#drop').dispatchEvent('dragover', { dataTransfer });
  await page.locator('#drop').dispatchEvent('drop', { dataTransfer });
}
