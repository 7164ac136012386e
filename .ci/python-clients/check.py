"""Calls every endpoint of the mock with the unchanged clients from PyPI, and checks the responses.

usage: check.py PATH_OF_ATOMA_MOCK

A client's own limits, where the mock speaks as the real server does, are in the comments.
"""

import base64
import hashlib
import json
import re
import struct
import subprocess
import sys
import threading

import httpx
import openai
from atoma_sdk import AtomaSDK, models
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MODEL = "meta-llama/Llama-3.3-70B-Instruct"
HELLO = [{"role": "user", "content": "Hello!"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


# --- openai ---


@check
def openai_chat(ai, _):
    reply = ai.chat.completions.create(model=MODEL, messages=HELLO)
    assert reply.object == "chat.completion" and reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "stop" and reply.usage.total_tokens > 0


@check
def openai_chat_stream(ai, _):
    chunks = list(ai.chat.completions.create(model=MODEL, messages=HELLO, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text, chunks
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    # The node always adds the usage.
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0


@check
def openai_chat_tools(ai, _):
    messages = [{"role": "user", "content": "Use get_weather for Paris."}]
    reply = ai.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    call = reply.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather" and isinstance(json.loads(call.function.arguments), dict)


@check
def openai_completions(ai, _):
    for prompt in ["Once upon a time", ["a", "b"], [1, 2, 3], [[1], [2, 3]]]:
        reply = ai.completions.create(model=MODEL, prompt=prompt, max_tokens=16)
        several = isinstance(prompt, list) and not isinstance(prompt[0], int)
        assert len(reply.choices) == (len(prompt) if several else 1), (prompt, reply)
        assert reply.object == "text_completion" and reply.choices[0].text
    reply = ai.completions.create(model=MODEL, prompt="Once", echo=True, logprobs=1, n=2, best_of=2)
    assert len(reply.choices) == 2 and reply.choices[1].index == 1
    assert reply.choices[0].text.startswith("Once")
    logprobs = reply.choices[0].logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) and logprobs.token_logprobs[0] is None


@check
def openai_completions_stream(ai, _):
    chunks = list(ai.completions.create(model=MODEL, prompt="Once", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]
    assert chunks[-1].usage.total_tokens > 0


@check
def openai_embeddings(ai, _):
    # Without a format, the client asks for base64 and decodes it.
    default = ai.embeddings.create(model="m", input="text")
    floats = ai.embeddings.create(model="m", input="text", encoding_format="float")
    single = [struct.unpack("<f", struct.pack("<f", number))[0] for number in floats.data[0].embedding]
    assert default.data[0].embedding == single and default.usage.prompt_tokens > 0
    short = ai.embeddings.create(model="m", input="text", dimensions=8)
    assert len(short.data[0].embedding) == 8
    error = refused(openai.BadRequestError, lambda: ai.embeddings.create(model="m", input=["a", "b"]))
    assert "Input field is required" in str(error), error


@check
def openai_images(ai, _):
    reply = ai.images.generate(model="m", prompt="an otter", n=2, size="64x64")
    assert len(reply.data) == 2
    image = httpx.get(reply.data[0].url)
    assert image.content.startswith(b"\x89PNG")
    reply = ai.images.generate(model="m", prompt="an otter", n=1, size="64x64", response_format="b64_json")
    assert base64.b64decode(reply.data[0].b64_json).startswith(b"\x89PNG")
    error = refused(openai.BadRequestError, lambda: ai.images.generate(model="m", prompt="p", size="64x64"))
    assert "N field is required" in str(error), error


@check
def openai_models(ai, _):
    models = list(ai.models.list())
    assert MODEL in [model.id for model in models] and models[0].owned_by == "atoma"
    # Atoma has no path of a single model.
    refused(openai.NotFoundError, lambda: ai.models.retrieve(MODEL))


@check
def openai_errors(ai, _):
    refused(openai.AuthenticationError, lambda: ai.models.list(extra_headers={"Authorization": "Basic x"}))
    empty = [{"role": "assistant", "content": None}]
    error = refused(openai.BadRequestError, lambda: ai.chat.completions.create(model=MODEL, messages=empty))
    assert error.body["code"] == "REQUEST_ERROR", error.body
    refused(
        openai.InternalServerError,
        lambda: ai.chat.completions.create(model=MODEL, messages=HELLO, temperature=9),
    )


@check
def openai_open_router_models(ai, _):
    listed = ai.get("/open_router/models", cast_to=httpx.Response)
    assert json.loads(listed.text)["data"][0]["id"]


# --- atoma-sdk ---


@check
def atoma_chat(_, atoma):
    reply = atoma.chat.create(messages=HELLO, model=MODEL, temperature=0.7)
    assert reply.choices[0].message.content and reply.usage.total_tokens > 0


@check
def atoma_chat_stream(_, atoma):
    text, finish, usage = "", None, None
    for event in atoma.chat.create_stream(messages=HELLO, model=MODEL):
        for choice in event.data.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        usage = event.data.usage or usage
    assert text and finish == "stop" and usage.total_tokens > 0


@check
def atoma_embeddings(_, atoma):
    # The client cannot read base64.
    reply = atoma.embeddings.create(input_="text", model="m")
    assert len(reply.data[0].embedding) > 0 and reply.usage.prompt_tokens > 0


@check
def atoma_images(_, atoma):
    # The client cannot read a response without `url`.
    reply = atoma.images.generate(model="m", prompt="an otter", n=1, size="64x64", response_format="url")
    assert httpx.get(reply.data[0].url).content.startswith(b"\x89PNG")


@check
def atoma_models_and_health(_, atoma):
    assert MODEL in [model.id for model in atoma.models_.models_list().data]
    assert atoma.health.health().message == "ok"


@check
def atoma_nodes_create(_, atoma):
    data = {"node_small_id": 7, "public_address": "https://node.example", "country": "PT"}
    reply = atoma.nodes.nodes_create(data=data, signature=signature(data))
    assert reply.message == "Success"
    other = dict(data, node_small_id=8)
    error = refused(models.APIError, lambda: atoma.nodes.nodes_create(data=other, signature=signature(data)))
    assert error.status_code == 400, error


def signature(data):
    """The Sui signature of a node: a flag for Ed25519, the signature of the hash, the public key."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    names = ["node_small_id", "public_address", "country"]
    text = json.dumps({name: data[name] for name in names}, separators=(",", ":"))
    digest = hashlib.blake2b(text.encode(), digest_size=32).digest()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b64encode(b"\0" + key.sign(digest) + public).decode()


@check
def atoma_nodes_lock(_, atoma):
    first, second = (atoma.nodes.nodes_create_lock(model=MODEL) for _ in range(2))
    assert len(base64.b64decode(first.public_key)) == 32
    assert first.stack_small_id != second.stack_small_id, "each lock is another stack"


@check
def atoma_confidential_chat(_, atoma):
    reply = atoma.confidential_chat.create(messages=HELLO, model=MODEL)
    assert reply.choices[0].message.content and reply.usage.total_tokens > 0


@check
def atoma_confidential_chat_stream(_, atoma):
    text, finish = "", None
    # The client returns None for a chunk without choices.
    for event in filter(None, atoma.confidential_chat.create_stream(messages=HELLO, model=MODEL)):
        for choice in event.data.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    assert text and finish == "stop"


@check
def atoma_confidential_embeddings(_, atoma):
    reply = atoma.confidential_embeddings.create(input="text", model="m")
    assert len(reply.data[0].embedding) > 0


@check
def atoma_confidential_images(_, atoma):
    # The client locks 8192 units and the image takes 1024 x 1024, so the real server refuses each of its calls.
    error = refused(
        models.APIError,
        lambda: atoma.confidential_images.generate(model="m", prompt="an otter", n=1, size="64x64"),
    )
    assert error.status_code == 425, error


@check
def atoma_errors(_, atoma):
    error = refused(models.APIError, lambda: atoma.chat.create(messages=HELLO, model=MODEL, temperature=9))
    assert error.status_code == 500, error
    error = refused(
        models.APIError,
        lambda: atoma.images.generate(model="m", prompt="an otter"),
    )
    assert error.status_code == 400 and "N field is required" in error.body, error


def refused(kind, call):
    """Returns the error of a call that has to fail."""
    try:
        reply = call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {reply}")


def main():
    mock = subprocess.Popen(
        [sys.argv[1], "--port", "0", "--event-interval", "1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    failed = []
    try:
        url = re.search(r"http://[0-9.:]+", mock.stdout.readline()).group(0).rstrip(".")
        # The mock prints each request: read it all, so that it never waits.
        threading.Thread(target=mock.stdout.read, daemon=True).start()
        ai = openai.OpenAI(api_key="key", base_url=f"{url}/v1", max_retries=0, timeout=60)
        with AtomaSDK(bearer_auth="key", server_url=url, timeout_ms=60_000) as atoma:
            for function in CHECKS:
                try:
                    function(ai, atoma)
                    print(f"{function.__name__}: ok")
                except Exception as error:  # noqa: BLE001 - all are reported
                    print(f"{function.__name__}: {type(error).__name__}: {error}")
                    failed.append(function.__name__)
    finally:
        mock.terminate()
        mock.wait()
    print(f"{len(CHECKS) - len(failed)} of {len(CHECKS)} checks passed")
    sys.exit(1 if failed else 0)


main()
