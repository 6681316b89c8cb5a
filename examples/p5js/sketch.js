// Draws a ring on every beat, coloured by the mood, with a thickness set by the level. Drag horizontally to set valence, vertically to set
// arousal.
const melos = new Melos();
let weights = [0, 0, 0, 1, 0, 0, 0, 0];
let loudness = 0;
let chord = "";
const rings = [];

// In the order of the weights in /melos/mood.
const HUES = { happy: 50, sad: 220, energetic: 25, calm: 170, romantic: 330, angry: 0, nostalgic: 280, mysterious: 250 };

melos.listen("/melos/mood", (values) => (weights = values.slice(0, 8)));
// Until the mood changes, Melos sends it only in reply.
melos.onopen = () => melos.send("/melos/mood");
melos.listen("/melos/level", ([rms]) => (loudness = Math.max(0, 1 + rms / 50)));
melos.listen("/melos/chord", ([name]) => (chord = name));
melos.listen("/melos/beat", ([beat]) => rings.push({ age: 0, strong: beat === 1 }));

function setup() {
  createCanvas(windowWidth, windowHeight);
  colorMode(HSB, 360, 100, 100, 1);
  noFill();
  textAlign(CENTER, CENTER);
}

function draw() {
  background(0, 0, 6);
  const angles = Object.values(HUES).map((hue) => radians(hue));
  const x = angles.reduce((sum, angle, index) => sum + weights[index] * Math.cos(angle), 0);
  const y = angles.reduce((sum, angle, index) => sum + weights[index] * Math.sin(angle), 0);
  const hue = (degrees(Math.atan2(y, x)) + 360) % 360;
  for (const ring of rings) {
    ring.age += deltaTime / 1000;
    stroke(hue, 70, 100, 1 - ring.age / 2);
    strokeWeight(1 + 20 * loudness * (ring.strong ? 2 : 1) * (1 - ring.age / 2));
    circle(width / 2, height / 2, ring.age * width * 0.4);
  }
  while (rings.length > 0 && rings[0].age > 2) rings.shift();
  noStroke();
  fill(0, 0, 90);
  textSize(48);
  text(melos.connected ? chord : "waiting for Melos", width / 2, height / 2);
  noFill();
}

function mouseDragged() {
  melos.send("/melos/valence", map(mouseX, 0, width, -1, 1, true));
  melos.send("/melos/arousal", map(mouseY, height, 0, -1, 1, true));
}
