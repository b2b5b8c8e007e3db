import ssl, sys, urllib.request

url, body, asked = sys.argv[1], open(sys.argv[2], "rb").read(), sys.argv[3]
request = urllib.request.Request(url, data=body, headers={"x-answer": asked})
with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as answer:
    assert len(answer.read()) == int(asked)
