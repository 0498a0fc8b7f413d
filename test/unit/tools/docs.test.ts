import { expect, it } from 'vitest';
import { staleDocs } from '../../../scripts/generate-docs.ts';

it('the reference is what the code says', async () => {
  expect(await staleDocs()).toEqual([]);
});
