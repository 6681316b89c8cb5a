// The recommended rules for the page's scripts, with the globals of a browser.
const js = require('@eslint/js');
const globals = require('globals');

module.exports = [
  js.configs.recommended,
  { languageOptions: { ecmaVersion: 2024, sourceType: 'module', globals: globals.browser } },
];
