"""Creates a component `melos` with parameters that control and follow Melos and channels for its streams; see touchdesigner.md."""

MELOS = ("127.0.0.1", 9000)
STREAMS = 9001  # port on which the channels arrive
VALUES = 9002  # port on which the parameters' values arrive

# A value that has just been received is not sent back.
SEND = '''
def onValueChange(par, prev):
    if par.eval() != parent().storage.get(par.name):
        parent().storage.pop(par.name, None)
        op('osc_out').sendOSC(par.label, [par.eval()])
'''

# Stores every value that it sets, as the parameter holds it, because `send` runs later.
RECEIVE = '''
def onReceiveOSC(dat, rowIndex, message, bytes, timeStamp, address, args, peer):
    for par in parent().customPars:
        if par.label == address:
            par.val = args[0]
            parent().store(par.name, par.eval())
'''

# Subscribes again every ten seconds, to recover when Melos restarts.
SUBSCRIBE = '''
def onFrameStart(frame):
    if absTime.frame % int(10 * me.time.rate) == 0:
        for source in ('osc_in', 'osc_values'):
            op('osc_out').sendOSC('/melos/subscribe', [int(op(source).par.port)])
'''

melos = op("/project1").create(baseCOMP, "melos")

# Each parameter's label is its OSC address.
page = melos.appendCustomPage("Melos")
for name, address, low, high, start in (
    ("Valence", "/melos/valence", -1, 1, 0.4),
    ("Arousal", "/melos/arousal", -1, 1, -0.7),
    ("Temperature", "/melos/temperature", 0.1, 2, 1),
):
    par = page.appendFloat(name, label=address)[0]
    par.normMin, par.normMax, par.default, par.val = low, high, start, start
emotion = page.appendMenu("Emotion", label="/melos/emotion")[0]
emotion.menuNames = ["happy", "sad", "energetic", "calm", "romantic", "angry", "nostalgic", "mysterious"]
emotion.menuLabels = emotion.menuNames
page.appendToggle("Hold", label="/melos/hold")

osc_out = melos.create(oscoutDAT, "osc_out")
osc_out.par.address, osc_out.par.port = MELOS

osc_in = melos.create(oscinCHOP, "osc_in")
osc_in.par.port = STREAMS

receive = melos.create(textDAT, "receive")
receive.text = RECEIVE
osc_values = melos.create(oscinDAT, "osc_values")
osc_values.par.port, osc_values.par.callbacks = VALUES, "receive"

send = melos.create(parameterexecuteDAT, "send")
send.text = SEND
send.par.op = melos
send.par.pars = "*"
send.par.builtin = False
send.par.custom = send.par.valuechange = True

subscribe = melos.create(executeDAT, "subscribe")
subscribe.text = SUBSCRIBE
subscribe.par.framestart = True

out = melos.create(outCHOP, "out")
out.inputConnectors[0].connect(osc_in)

for port in (STREAMS, VALUES):
    osc_out.sendOSC("/melos/subscribe", [port])
