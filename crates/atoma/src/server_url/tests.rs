use super::*;

fn pairs(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn chat(url: &str) -> String {
    let server = ServerUrl::parse(url, false).unwrap_or_else(|error| panic!("{url}: {error}"));
    let joined = server.join("/chat/completions", &[]).unwrap();
    assert_eq!(server.join("/chat/completions", &[]).unwrap(), joined, "{url}: joined again");
    joined.to_string()
}

#[test]
fn base_urls_of_real_servers_are_used_as_given() {
    let table = [
        ("Atoma", "https://api.atoma.network", "https://api.atoma.network/v1"),
        ("OpenAI", "https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("OpenAI without a path", "https://api.openai.com", "https://api.openai.com/v1"),
        (
            "Azure, a deployment",
            "https://r.openai.azure.com/openai/deployments/gpt-4o",
            "https://r.openai.azure.com/openai/deployments/gpt-4o",
        ),
        (
            "Azure, v1",
            "https://r.openai.azure.com/openai/v1/",
            "https://r.openai.azure.com/openai/v1",
        ),
        (
            "Gemini",
            "https://generativelanguage.googleapis.com/v1beta/openai/",
            "https://generativelanguage.googleapis.com/v1beta/openai",
        ),
        ("Zhipu", "https://open.bigmodel.cn/api/paas/v4/", "https://open.bigmodel.cn/api/paas/v4"),
        (
            "Z.AI coding",
            "https://api.z.ai/api/coding/paas/v4",
            "https://api.z.ai/api/coding/paas/v4",
        ),
        (
            "Volcengine",
            "https://ark.cn-beijing.volces.com/api/v3",
            "https://ark.cn-beijing.volces.com/api/v3",
        ),
        ("DeepInfra", "https://api.deepinfra.com/v1/openai", "https://api.deepinfra.com/v1/openai"),
        ("Groq", "https://api.groq.com/openai/v1", "https://api.groq.com/openai/v1"),
        (
            "Cloudflare AI Gateway",
            "https://gateway.ai.cloudflare.com/v1/account/gateway/compat",
            "https://gateway.ai.cloudflare.com/v1/account/gateway/compat",
        ),
        (
            "Cloudflare Workers AI",
            "https://api.cloudflare.com/client/v4/accounts/id/ai/v1",
            "https://api.cloudflare.com/client/v4/accounts/id/ai/v1",
        ),
        (
            "GitHub Models",
            "https://models.github.ai/inference",
            "https://models.github.ai/inference",
        ),
        ("Perplexity", "https://api.perplexity.ai/.", "https://api.perplexity.ai"),
        ("Ollama", "http://localhost:11434/v1/", "http://localhost:11434/v1"),
        ("Ollama without a path", "http://localhost:11434", "http://localhost:11434/v1"),
        ("LM Studio", "http://localhost:1234/v1", "http://localhost:1234/v1"),
        ("llama.cpp", "http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("vLLM", "http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("Together", "https://api.together.xyz/v1", "https://api.together.xyz/v1"),
        ("OpenRouter", "https://openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("Mistral", "https://api.mistral.ai/v1", "https://api.mistral.ai/v1"),
        (
            "Fireworks",
            "https://api.fireworks.ai/inference/v1",
            "https://api.fireworks.ai/inference/v1",
        ),
        ("DeepSeek", "https://api.deepseek.com/v1", "https://api.deepseek.com/v1"),
        ("Anthropic", "https://api.anthropic.com/v1/", "https://api.anthropic.com/v1"),
        (
            "DashScope",
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
        ),
        ("Hugging Face", "https://router.huggingface.co/v1", "https://router.huggingface.co/v1"),
        (
            "Vertex AI",
            "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/endpoints/openapi",
            "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/endpoints/openapi",
        ),
        (
            "Bedrock",
            "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
            "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
        ),
        ("a gateway", "https://gateway.test/atoma", "https://gateway.test/atoma"),
        ("a gateway, slashes", "https://gateway.test/atoma//", "https://gateway.test/atoma"),
        ("spaces around", " https://api.atoma.network\n", "https://api.atoma.network/v1"),
        ("an upper-case host", "HTTP://LOCALHOST:80", "http://LOCALHOST:80/v1"),
    ];
    for (name, url, base) in table {
        assert_eq!(chat(url), format!("{base}/chat/completions"), "{name}");
        if !url.ends_with(['/', '.', '\n']) {
            assert_eq!(chat(&format!("{url}/")), format!("{base}/chat/completions"), "{name}/");
        }
    }
}

#[test]
fn paths_outside_the_api_are_joined_below_the_root() {
    let table = [
        ("https://api.atoma.network", "https://api.atoma.network/health"),
        ("http://localhost:8000/v1/", "http://localhost:8000/health"),
        ("https://gateway.test/atoma/v1", "https://gateway.test/atoma/health"),
        ("https://gateway.test/inference", "https://gateway.test/inference/health"),
        ("https://gateway.test/.", "https://gateway.test/health"),
        ("https://gateway.test?a=b", "https://gateway.test/health?a=b"),
    ];
    for (url, expected) in table {
        let server = ServerUrl::parse(url, false).unwrap();
        assert_eq!(server.join_root("/health", &[]).unwrap(), expected, "{url}");
    }
}

#[test]
fn query_parameters_of_the_call_replace_those_of_the_client_and_of_the_url() {
    let azure = "https://r.openai.azure.com/openai/deployments/d?api-version=1&x=%20a";
    let table = [
        ("the URL's are kept", azure, &[][..], &[][..], "api-version=1&x=%20a"),
        ("the client's", "https://h", &[("api-version", "2")], &[], "api-version=2"),
        ("client over URL", azure, &[("api-version", "2")], &[], "x=%20a&api-version=2"),
        ("call over URL", azure, &[], &[("api-version", "3")], "x=%20a&api-version=3"),
        (
            "call over client over URL",
            azure,
            &[("api-version", "2"), ("y", "2")],
            &[("api-version", "3")],
            "x=%20a&y=2&api-version=3",
        ),
        ("the last of one name", "https://h", &[("a", "1"), ("a", "2")], &[], "a=2"),
        (
            "an encoded name",
            "https://h?a%2Db=1&c+d=2",
            &[("a-b", "3"), ("c d", "4")],
            &[],
            "a-b=3&c%20d=4",
        ),
        ("repeated in the URL", "https://h?a=1&a=2&b", &[("c", "3")], &[], "a=1&a=2&b&c=3"),
        ("empty pairs", "https://h?&&a=1&", &[("b", "")], &[], "a=1&b="),
        ("a malformed escape", "https://h?a%=1&%zz=2", &[("b", "3")], &[], "a%=1&%zz=2&b=3"),
        (
            "reserved and other characters",
            "https://h",
            &[("k&=#?+ /é", "v&=#?+ /é%")],
            &[],
            "k%26%3D%23%3F%2B%20%2F%C3%A9=v%26%3D%23%3F%2B%20%2F%C3%A9%25",
        ),
    ];
    for (name, url, client, call, expected) in table {
        let server = ServerUrl::parse(url, false).unwrap().with_query(&pairs(client));
        let joined = server.join("/models", &pairs(call)).unwrap();
        assert_eq!(joined.query(), Some(expected), "{name}");
        assert!(joined.path().ends_with("/models"), "{name}: {joined}");
    }
}

#[test]
fn debug_shows_neither_the_query_nor_credentials() {
    let server = ServerUrl::parse("https://h/v1/?key=secret", false).unwrap();
    assert_eq!(format!("{server:?}"), "https://h/v1");
}

#[test]
fn invalid_urls_are_refused_with_a_reason() {
    let table = [
        ("", "must look like"),
        ("api.atoma.network", "https:// or http://"),
        ("/v1", "no host"),
        ("ftp://api.atoma.network", "https:// or http://"),
        ("https://", "must look like"),
        ("https://user:secret@api.atoma.network", "user name or password"),
        ("https://user:se/cret@api.atoma.network", "port is not a number"),
        ("https://api.atoma.network:", "port is not a number"),
        ("https://api.atoma.network:65536", "port is not a number"),
        ("https://api.atoma.network:+8080", "port is not a number"),
        ("http://localhost:+8080", "port is not a number"),
        ("http://[::1]:+8080", "port is not a number"),
        ("https://api.atoma.network:-1", "port is not a number"),
        ("https://api.atoma.network:0", "port is not a number"),
        ("https://api.atoma.network:00", "port is not a number"),
        ("http://localhost:000000", "port is not a number"),
        ("http://[::1]:/v1", "port is not a number"),
        ("http://[::1]8080", "port is not a number"),
        ("https://[::g]/v1", "IPv6 address"),
        ("https://[fe80::1%25eth0]:443", "IPv6 address"),
        ("https://[127.0.0.1]", "IPv6 address"),
        ("https://h/v1\u{200b}", "not ASCII"),
        ("https://h/\u{fc}", "not ASCII"),
        ("https://m\u{fc}nchen.test", "not ASCII"),
        ("\u{feff}https://h", "not ASCII"),
        ("“https://h”", "not ASCII"),
        ("\"https://h\"", "must look like"),
        ("localhost:8000/v1", "must look like"),
        ("127.0.0.1:8000", "https:// or http://"),
        ("//h/v1", "https:// or http://"),
        ("https:///v1", "must look like"),
        ("https:/h/v1", "must look like"),
        ("https://h\\v1", "must look like"),
        ("wss://h", "https:// or http://"),
        ("http://127.1", "allow_http(true)"),
        ("http://2130706433", "allow_http(true)"),
        ("http://0x7f000001", "allow_http(true)"),
        ("http://localhost: 80", "must look like"),
        ("http://localhost:80 80", "must look like"),
        ("https://api.atoma.network/#create", "fragment"),
        ("https://h?key=secret#", "fragment"),
        ("https://api.atoma.network/v1/chat/completions", "remove /chat/completions"),
        ("https://h/v1/chat/completions/?key=secret", "remove /chat/completions"),
        ("https://h/v1/chat/completions//", "remove /chat/completions"),
        (
            "https://h/openai/deployments/d/chat/completions?api-version=1",
            "remove /chat/completions",
        ),
        ("https://h/v1/completions", "remove /completions"),
        ("https://h/v1/embeddings/", "remove /embeddings"),
        ("https://h/v1/images/generations", "remove /images/generations"),
        ("http://api.atoma.network", "allow_http(true)"),
        ("http://api.atoma.network?key=secret", "allow_http(true)"),
        ("http://192.168.0.7:8000", "allow_http(true)"),
        ("http://0.0.0.0:8000", "allow_http(true)"),
        ("http://[::]:8000", "allow_http(true)"),
        ("http://localhost.evil.test", "allow_http(true)"),
        ("http://evillocalhost", "allow_http(true)"),
        ("http://127.0.0.1.evil.test", "allow_http(true)"),
    ];
    for (url, reason) in table {
        let error = ServerUrl::parse(url, false).expect_err(url);
        assert!(error.is_config(), "{url}");
        let text = error.to_string();
        assert!(text.starts_with("invalid server URL: ") && text.contains(reason), "{url}: {text}");
        assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
    }
    for url in ["http://192.168.0.7:8000", "http://api.atoma.network"] {
        assert!(ServerUrl::parse(url, true).is_ok(), "{url}");
    }
    let too_long = ServerUrl::parse("https://h", false).unwrap();
    let error = too_long.join("/models", &pairs(&[("a", &"x".repeat(70_000))])).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("too long"), "{error}");
}

#[test]
fn every_form_of_a_path_is_kept() {
    let table = [
        ("HTTPS://H/v1", "https://H/v1"),
        ("HtTp://LOCALHOST/V1", "http://LOCALHOST/V1"),
        ("https://h//v1", "https://h//v1"),
        ("https://h//", "https://h/v1"),
        ("https://h/v1//", "https://h/v1"),
        (" https://h/v1 \n", "https://h/v1"),
        ("https://h/a%20b/v1", "https://h/a%20b/v1"),
        ("https://h/a%2Fb", "https://h/a%2Fb"),
        ("https://h/@cf/v1", "https://h/@cf/v1"),
        ("https://h/v1;a=b", "https://h/v1;a=b"),
        ("https://h/v1/../v2", "https://h/v1/../v2"),
        ("https://h:443/v1", "https://h:443/v1"),
        ("https://h/./", "https://h"),
        ("http://api.localhost:1/", "http://api.localhost:1/v1"),
        ("http://localhost.", "http://localhost./v1"),
        ("http://[::ffff:127.0.0.1]", "http://[::ffff:127.0.0.1]/v1"),
    ];
    for (url, base) in table {
        assert_eq!(chat(url), format!("{base}/chat/completions"), "{url}");
    }
    let table = [
        ("https://h/v1?", ""),
        ("https://h?", ""),
        ("https://h/?x=1", "?x=1"),
        ("https://h?x", "?x"),
        ("https://h?x=", "?x="),
        ("https://h/v1/?x=a/b?c", "?x=a/b?c"),
        ("https://h/v1?a=1&a=2", "?a=1&a=2"),
        ("https://h/v1?u=a@b", "?u=a@b"),
        ("https://h/v1?q=/chat/completions", "?q=/chat/completions"),
    ];
    for (url, query) in table {
        assert_eq!(chat(url), format!("https://h/v1/chat/completions{query}"), "{url}");
    }
}

#[test]
fn each_path_is_joined_to_its_own_url_every_time() {
    let url = ServerUrl::parse("http://localhost/v1", true).unwrap();
    for _ in 0..2 {
        for path in ["/models", "/chat/completions"] {
            let joined = url.join(path, &[]).unwrap();
            assert_eq!(joined.to_string(), format!("http://localhost/v1{path}"));
        }
    }
}

#[test]
fn a_url_says_whether_it_is_encrypted_and_whether_it_is_atomas() {
    for (url, is_https, is_atoma) in [
        ("https://api.atoma.network/v1", true, true),
        ("https://API.Atoma.Network", true, true),
        ("https://atoma.network/v1", true, false),
        ("https://api.atoma.network.test", true, false),
        ("http://localhost:8080", false, false),
    ] {
        let url = ServerUrl::parse(url, true).unwrap();
        assert_eq!((url.is_https(), url.is_atoma()), (is_https, is_atoma), "{url:?}");
    }
}
