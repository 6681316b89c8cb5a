// Melos in Chataigne: copy this folder to Documents/Chataigne/modules, start Chataigne and add Software > Melos.

// Subscribes again every ten seconds, to recover when Melos restarts.
script.setUpdateRate(0.1);

function update(deltaTime) {
  subscribe();
}

function init() {
  subscribe();
}

function subscribe() {
  local.send("/melos/subscribe", 9001);
}

function oscEvent(address, args) {
  var values = local.values;
  if (address == "/melos/beat") {
    values.beat.set(args[0]);
    values.bar.set(args[1]);
    values.tempo.set(args[2]);
  } else if (address == "/melos/chord") {
    values.chord.set(args[0]);
    if (args.length > 1) values.key.set(args[1]);
  } else if (address == "/melos/onset") {
    values.onset.set(args[0]);
  } else if (address == "/melos/level") {
    values.level.set(args[0]);
  } else if (address == "/melos/mood") {
    // The weights of the eight emotions come first.
    values.valence.set(args[8]);
    values.arousal.set(args[9]);
  }
}

function emotion(name) {
  local.send("/melos/emotion", name);
}

function valence(value) {
  local.send("/melos/valence", value);
}

function arousal(value) {
  local.send("/melos/arousal", value);
}

function preset(name) {
  local.send("/melos/preset", name);
}

function scene(name) {
  local.send("/melos/scene", name);
}

function play(on) {
  local.send("/melos/play", on ? 1 : 0);
}

function parameter(name, value) {
  local.send("/melos/" + name, value);
}
