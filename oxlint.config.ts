/**
 * Lint: what the compiler does not see and a reviewer should not have to. Import rules are a table
 * of their own in scripts/lint/arrows.ts. `test/unit/tools/lint.test.ts` breaks every rule below on
 * purpose and sees it fire.
 */
import { defineConfig } from 'oxlint';

/** Time, timers and chance come from ports, so that a simulated run replays from its seed. */
const ports = 'take it from the port (platform/clock.ts, platform/random.ts) instead';

export default defineConfig({
  plugins: ['typescript', 'import', 'unicorn', 'oxc', 'promise', 'vitest'],
  jsPlugins: ['./scripts/lint/arrows.ts'],
  options: { typeAware: true, reportUnusedDisableDirectives: 'error' },
  categories: { correctness: 'error' },
  ignorePatterns: ['dist', 'node_modules', 'src/protocol/grpc/generated', 'coverage'],
  rules: {
    'rmq/arrows': 'error',
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'no-console': 'error',
    'no-var': 'error',
    // A closure may be made before what it uses is known.
    'prefer-const': ['error', { ignoreReadBeforeAssign: true }],
    eqeqeq: 'error',
    'max-lines': ['error', { max: 600 }],
    'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
    'typescript/no-explicit-any': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/await-thenable': 'error',
    'typescript/switch-exhaustiveness-check': [
      'error',
      { considerDefaultExhaustiveForUnions: true },
    ],
    'typescript/only-throw-error': 'error',
    // `new Array(size).fill(…)` is how an array of one shape and size is made.
    'unicorn/no-new-array': 'off',
    // A parameter named with an underscore is there for the signature.
    'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    // Binary protocols speak of control characters.
    'no-control-regex': 'off',
    // Tables of functions have no `this`; and text of foreign JSON is taken as it comes.
    'typescript/unbound-method': 'off',
    'typescript/no-base-to-string': 'off',
    // The codecs' messages are data, though made by classes.
    'typescript/no-misused-spread': 'off',
    // Walking over a copy is how one deletes while walking.
    'unicorn/no-useless-spread': 'off',
    // Helpers of a test may expect, and `expect(value, message)` is vitest's own.
    'vitest/no-conditional-expect': 'off',
    'vitest/no-standalone-expect': 'off',
    'vitest/expect-expect': 'off',
    'vitest/valid-expect': 'off',
    'vitest/valid-title': 'off',
    'vitest/no-focused-tests': 'error',
  },
  overrides: [
    {
      files: ['src/**/*.{ts,tsx}'],
      rules: {
        'no-restricted-globals': [
          'error',
          ...['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval'].map(
            (name) => ({ name, message: ports }),
          ),
          { name: 'performance', message: ports },
          { name: 'fetch', message: 'take the Network port instead' },
        ],
        'no-restricted-properties': [
          'error',
          { object: 'Date', property: 'now', message: ports },
          { object: 'Math', property: 'random', message: ports },
          { object: 'process', property: 'hrtime', message: ports },
        ],
      },
    },
    {
      // The ports themselves.
      files: ['src/platform/**'],
      rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
    },
    {
      // Tools want a default export of their configuration, and scripts talk on the terminal.
      files: [
        '*.config.ts',
        'scripts/**',
        'bin/**',
        'test/bench/**',
        'test/sim/run.ts',
        'test/crash/**',
      ],
      rules: { 'no-console': 'off', 'import/no-default-export': 'off' },
    },
    {
      // A `describe` is one function however many cases it lists.
      files: ['test/**'],
      rules: {
        'max-lines-per-function': ['error', { max: 400 }],
        'max-lines': ['error', { max: 900 }],
        'no-console': 'off',
      },
    },
  ],
});
