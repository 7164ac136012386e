//! The names and phrases by which servers report their errors, in lower case.

use crate::ErrorKind;

/// Names of one meaning, without separators. One that ends in `*` is a prefix.
pub(super) type Names = &'static [(&'static str, ErrorKind)];

/// The `code` and `type` that mean the same with any status.
pub(super) const SPECIFIC_NAMES: Names = {
    use ErrorKind::{
        Authentication, ContentFilter, ContextLength, ModelNotFound, Overloaded, Permission, Quota,
        RateLimit,
    };
    &[
        // Quota. OpenAI, Atoma, Moonshot, Volcengine, DashScope, Together, LiteLLM, one-api, Zhipu.
        ("insufficientquota*", Quota),
        ("billing*", Quota),
        ("insufficientbalance*", Quota),
        ("insufficientcredit*", Quota),
        ("insufficientfunds", Quota),
        ("insufficientuserquota", Quota),
        ("balanceerror", Quota),
        ("fiatpaymentsonly", Quota),
        ("quotaexceeded*", Quota),
        ("paymentrequired*", Quota),
        ("exceededcurrentquota*", Quota),
        ("accountoverdue*", Quota),
        ("arrearage", Quota),
        ("allocationquotafreetieronly", Quota),
        ("creditlimit*", Quota),
        ("budgetexceeded*", Quota),
        ("setlimitexceeded", Quota),
        ("1113", Quota),
        // Authentication.
        ("autherror", Authentication),
        ("authenticationerror", Authentication),
        ("invalidauthentication*", Authentication),
        ("invalidapikey*", Authentication),
        ("incorrectapikey*", Authentication),
        ("unauthenticated", Authentication),
        // Permission. LiteLLM's keys have lists of models.
        ("permission*", Permission),
        ("accessdenied*", Permission),
        ("keymodelaccessdenied", Permission),
        ("teammodelaccessdenied", Permission),
        ("unsupportedcountryregionterritory", Permission),
        ("organizationrestricted", Permission),
        // Context length. OpenAI, llama.cpp, LiteLLM, GitHub Models, Zhipu.
        ("contextlength*", ContextLength),
        ("contextwindow*", ContextLength),
        ("exceedcontextsize*", ContextLength),
        ("tokenslimitreached", ContextLength),
        ("prompttoolong", ContextLength),
        ("inputtoolong", ContextLength),
        ("1261", ContextLength),
        // Content filter. Azure, OpenAI, DashScope, Volcengine, Zhipu.
        ("contentfilter*", ContentFilter),
        ("contentpolicy*", ContentFilter),
        ("contentmoderation*", ContentFilter),
        ("moderationblocked", ContentFilter),
        ("responsibleaipolicyviolation", ContentFilter),
        ("datainspectionfailed", ContentFilter),
        ("sensitivecontentdetected*", ContentFilter),
        ("inputtextsensitivecontentdetected*", ContentFilter),
        ("outputtextsensitivecontentdetected*", ContentFilter),
        ("1301", ContentFilter),
        // Model not found. OpenAI, Azure, Groq, Mistral, Hugging Face, Volcengine, Zhipu.
        ("modelnotfound*", ModelNotFound),
        ("modelnotexist*", ModelNotFound),
        ("modelnotsupported", ModelNotFound),
        ("modeldecommissioned", ModelNotFound),
        ("deploymentnotfound", ModelNotFound),
        ("invalidendpointormodelnotfound", ModelNotFound),
        ("invalidmodel", ModelNotFound),
        ("unknownmodel", ModelNotFound),
        ("1211", ModelNotFound),
        // Overloaded. Anthropic, Moonshot, Hugging Face, Google, Atoma.
        ("overloaded*", Overloaded),
        ("engineoverloaded*", Overloaded),
        ("serveroverloaded*", Overloaded),
        ("modeloverloaded*", Overloaded),
        ("serviceunavailable*", Overloaded),
        ("unavailable", Overloaded),
        ("unavailableerror", Overloaded),
        ("unavailablestack", Overloaded),
        ("capacityexceeded", Overloaded),
        ("slowdown", Overloaded),
        ("queueexceeded", Overloaded),
        // Rate limit. Google's name is for requests per minute; its message speaks of a quota.
        ("ratelimit*", RateLimit),
        ("modelratelimit", RateLimit),
        ("toomanyrequests*", RateLimit),
        ("throttl*", RateLimit),
        ("resourceexhausted", RateLimit),
    ]
};

/// The `code` and `type` that restate a status, or whose meaning a status would change.
pub(super) const GENERAL_NAMES: Names = &[
    ("badrequest*", ErrorKind::InvalidRequest),
    ("invalid*", ErrorKind::InvalidRequest),
    ("requesterror", ErrorKind::InvalidRequest),
    ("unprocessable*", ErrorKind::InvalidRequest),
    ("validation*", ErrorKind::InvalidRequest),
    ("tooluse*", ErrorKind::InvalidRequest),
    ("unauthorized*", ErrorKind::Authentication),
    ("forbidden*", ErrorKind::Permission),
    ("notfound*", ErrorKind::NotFound),
    ("requesttoolarge", ErrorKind::TooLarge),
    // MiniMax sends these in `base_resp` with status 200.
    ("1002", ErrorKind::RateLimit),
    ("1004", ErrorKind::Authentication),
    ("1008", ErrorKind::Quota),
    ("1026", ErrorKind::ContentFilter),
    ("1027", ErrorKind::ContentFilter),
    ("1039", ErrorKind::RateLimit),
    ("1041", ErrorKind::RateLimit),
    ("2013", ErrorKind::InvalidRequest),
    ("2049", ErrorKind::Authentication),
];

/// Texts of one meaning. Each is a list of parts that occur in this order.
pub(super) type Phrases = (&'static [&'static [&'static str]], ErrorKind);

pub(super) const CONTEXT: Phrases = (
    &[
        &["maximum context length"],
        &["max context length"],
        &["context length exceeded"],
        &["model's context length"],
        &["available context size"],
        &["maximum prompt length"],
        &["exceed", "context window"],
        &["exceed", "context length"],
        &["exceed", "context limit"],
        &["exceed", "model token limit"],
        &["longer than the maximum model length"],
        &["input length", "exceeds the maximum"],
        &["context length of only"],
        &["number of tokens in the prompt cannot exceed"],
        &["prompt_tokens", "must be less than max_seq_len"],
        &["range of input length should be"],
        &["prompt is too long"],
        &["prompt too long"],
        &["input is too long"],
        &["input token count", "exceeds"],
        &["`inputs` tokens + `max_new_tokens` must be <="],
        &["`inputs` must have less than"],
        &["contextwindowexceedederror"],
        &["reduce the length of the messages"],
    ],
    ErrorKind::ContextLength,
);

pub(super) const QUOTA: Phrases = (
    &[
        &["insufficient balance"],
        &["insufficient account balance"],
        &["balance is insufficient"],
        &["balance is not enough"],
        &["credit balance is too low"],
        &["insufficient credits"],
        &["not enough credits"],
        &["doesn't have any credits"],
        &["exceeded your current quota"],
        &["quota exceeded"],
        &["spending limit"],
        &["your specified", "usage limits"],
        &["out of call volume quota"],
        &["key limit exceeded"],
        &["额度已用尽"],
        &["used up your daily free allocation"],
        &["余额不足"],
        &["欠费"],
    ],
    ErrorKind::Quota,
);

pub(super) const FILTER: Phrases = (
    &[
        &["content management policy"],
        &["content filtering policy"],
        &["contentpolicyviolationerror"],
        &["content exists risk"],
        &["was flagged"],
        &["usage policy"],
        &["data may contain inappropriate content"],
    ],
    ErrorKind::ContentFilter,
);

pub(super) const KEY: Phrases = (
    &[
        &["invalid api key"],
        &["incorrect api key"],
        &["api key not valid"],
        &["api key expired"],
        &["api key is invalid"],
        &["invalid apikey"],
        &["api key", "reported as leaked"],
        &["access token invalid"],
        &["missing authentication token"],
        &["security token", "is invalid"],
        &["authentication error"],
        &["authenticationerror"],
    ],
    ErrorKind::Authentication,
);

pub(super) const MODEL: Phrases = (
    &[
        &["model", " not exist"],
        &["model", " not found"],
        &["model", " no longer available"],
        &["models/", " is not found"],
        &["invalid model"],
        &["unknown model"],
        &["no such model"],
        &["not a valid model"],
        &["no node found for model"],
        &["unable to access model"],
        &["not found the model"],
        &["no endpoints found"],
        &["model identifier is invalid"],
        &["model version has reached the end of its life"],
        &["model not supported"],
        &["is not supported by any provider"],
    ],
    ErrorKind::ModelNotFound,
);

pub(super) const RATE: Phrases = (
    &[
        &["rate limit"],
        &["rate-limit"],
        &["ratelimiterror"],
        &["too many requests"],
        &["request limit reached"],
        &["qps limit"],
        &["requests per minute"],
        &["tokens per minute"],
        &["限流"],
        &["请求过于频繁"],
        &["throttlingexception"],
    ],
    ErrorKind::RateLimit,
);

pub(super) const CAPACITY: Phrases = (
    &[
        &["overloaded"],
        &["over capacity"],
        &["at capacity"],
        &["capacity temporarily exceeded"],
        &["model busy"],
        &["high traffic"],
    ],
    ErrorKind::Overloaded,
);

pub(super) const BARRED: Phrases =
    (&[&["location is not supported"], &["organization has been disabled"]], ErrorKind::Permission);

/// Atoma buys a stack of compute units meanwhile, and responds with 400.
pub(super) const BUSY: Phrases = (&[&["please retry"]], ErrorKind::Overloaded);
