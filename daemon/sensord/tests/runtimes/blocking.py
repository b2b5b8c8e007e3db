import ssl, sys, urllib.request

url, sent, asked = sys.argv[1], int(sys.argv[2]), sys.argv[3]
request = urllib.request.Request(url, data=b"s" * sent, headers={"x-answer": asked})
with urllib.request.urlopen(request, context=ssl._create_unverified_context()) as answer:
    assert len(answer.read()) == int(asked)
