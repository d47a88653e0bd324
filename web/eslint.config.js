import js from '@eslint/js'
import globals from 'globals'

export default [
  { ignores: ['build/'] },
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    rules: { 'prefer-const': 'error', eqeqeq: ['error', 'always', { null: 'ignore' }], 'max-len': ['error', 120] },
  },
  { files: ['*.test.js'], languageOptions: { globals: globals.node } },
]
