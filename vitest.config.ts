/** The test runner. Two cores are what CI has; most tests wait rather than compute. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    maxWorkers: 3,
    // Suites start real servers and real commands; a stuck one should still say which it is.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: process.env['CI'] === undefined ? ['default'] : ['dot'],
    // A test that leaves a promise to reject behind has not passed.
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
