"""Creates a component `melos` with parameters that control Melos and channels for its streams; see touchdesigner.md."""

MELOS = ("127.0.0.1", 9000)
LISTEN = 9001  # port on which TouchDesigner listens

SEND = '''
def onValueChange(par, prev):
    op('osc_out').sendOSC(par.label, [par.eval()])
'''

# Subscribes again every ten seconds, to recover when Melos restarts.
SUBSCRIBE = '''
def onFrameStart(frame):
    if absTime.frame % int(10 * me.time.rate) == 0:
        op('osc_out').sendOSC('/melos/subscribe', [int(op('osc_in').par.port)])
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
osc_in.par.port = LISTEN

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

osc_out.sendOSC("/melos/subscribe", [LISTEN])
