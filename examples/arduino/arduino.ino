// Two sensors for sensor.py: prints the readings of two analogue inputs, such as "512 300", twenty times a second.
//
// A0: a distance sensor (Sharp GP2Y0A21 or similar), which controls arousal; A1: a light sensor as a voltage divider (a photoresistor to
// 5 V, 10 kilohms to ground), which controls valence.
//
//     stty -F /dev/ttyACM0 115200 raw -echo
//     python3 sensor.py < /dev/ttyACM0

const int SENSORS[] = {A0, A1};
const unsigned long INTERVAL = 50;  // milliseconds

void setup() {
  Serial.begin(115200);
}

void loop() {
  static unsigned long next = 0;
  if (millis() - next < INTERVAL) return;
  next = millis();
  for (int sensor = 0; sensor < 2; sensor++) {
    if (sensor > 0) Serial.print(' ');
    Serial.print(analogRead(SENSORS[sensor]));
  }
  Serial.println();
}
