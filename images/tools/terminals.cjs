// In place of node-pty's own `unixTerminal.js`, which is kept beside it: gives the programs that the editor starts in a terminal
// what the editor itself was started without (`bin/without`). Here, because every terminal comes by: of every profile, of tasks
// with a shell or without, of debuggers. A profile of ours would have lost against the one that the editor finds under the
// shell's name.
'use strict';
const fs = require('fs');
const { UnixTerminal } = require('./unixTerminal.original.js');

// The environment of the container, as it was when the tools were started. Of a process that lives as long as the editor.
function container() {
    try {
        const entries = fs.readFileSync(process.env.BERTH_ENVIRONMENT, 'utf8').split('\0');
        return entries.map(entry => entry.split(/=(.*)/s)).filter(([name]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name));
    } catch (cause) {
        console.error('a terminal does without what the editor was started without:', cause);
        return [];
    }
}

// What the editor says to a terminal stays as it says.
function environment(said) {
    const result = { ...said };
    for (const [name, value] of container()) {
        // The editor's own where /tmp cannot be written: `bin/editor`.
        const ours = name === 'TMPDIR' && said.TMPDIR === process.env.BERTH_TMP;
        if (!(name in said) || ours) result[name] = value;
        // A debugger says its own in addition.
        else if (name === 'NODE_OPTIONS' && value) result[name] = `${value} ${said[name]}`;
    }
    return result;
}

exports.UnixTerminal = class extends UnixTerminal {
    constructor(file, args, options) {
        super(file, args, { ...options, env: environment(options?.env ?? process.env) });
    }
};
