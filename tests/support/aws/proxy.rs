//! Stands before moto: gives each test an account of its own, counts calls by their operations, honours what moto does not, and
//! misbehaves as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What the address ends with by which the observer calls: it is neither counted nor misled.
const OBSERVER: &str = "x-observer";

/// What is said of a refusal that has no words of its own.
const TOLD: &str = "so it was told";

/// What goes wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The call goes through, and its reply never comes.
    LosesReply,
    /// The call is refused with a status and a code, and nothing is done.
    Refuses(u16, &'static str),
    /// The same, in these words.
    RefusesFor(u16, &'static str, &'static str),
    /// The call goes through after a while.
    Delays(Duration),
    /// The call goes through, its reply never comes, and whoever called is told so.
    Kills(std::sync::mpsc::Sender<()>),
}

/// When something goes wrong.
#[derive(Clone, Debug)]
struct Rule {
    operation: &'static str,
    /// The region alone that it is about.
    region: Option<&'static str>,
    fault: Fault,
    /// Of each so many calls the last.
    every: usize,
    /// How often in all.
    times: usize,
    seen: usize,
}

/// What it keeps in mind.
#[derive(Debug, Default)]
struct Mind {
    calls: Vec<Call>,
    rules: Vec<Rule>,
    hides: bool,
    /// How much a page of machines has at most, where it has less than was asked for.
    page: Option<usize>,
    /// What was sent with a token, and what was answered, by region and token: EC2 remembers it, and answers a repeat once it has an answer.
    tokens: BTreeMap<(String, String), Answered>,
    /// As whom calls were made: the ids of access keys.
    keys: BTreeSet<String>,
    /// What was asked of EC2, by its operations, in its own words.
    asked: Vec<(String, BTreeMap<String, String>)>,
}

/// What was sent with a token, and what was answered; none while there is no answer.
type Answered = Arc<tokio::sync::Mutex<Option<(Bytes, Bytes)>>>;

/// A call, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// `s3:CreateBucket`, `sts:GetCallerIdentity`.
    pub(crate) operation: String,
    /// The status that was answered; 0 where nothing was.
    pub(crate) status: u16,
}

/// It, until it is dropped.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) url: String,
    mind: Arc<Mutex<Mind>>,
    _runtime: Runtime,
}

impl Proxy {
    /// Stands before a port of loopback, as an account.
    pub(crate) fn start(moto: u16, cloud_control: u16, account: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mind = Arc::new(Mutex::new(Mind::default()));
        let proxy = Arc::new(Behind {
            moto: ([127, 0, 0, 1], moto).into(),
            cloud_control: ([127, 0, 0, 1], cloud_control).into(),
            account: account.to_owned(),
            mind: mind.clone(),
        });
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let proxy = proxy.clone();
                let service = service_fn(move |request| {
                    let proxy = proxy.clone();
                    // What has come is carried out, also where nobody waits for the answer any more.
                    let served = tokio::spawn(async move { proxy.serve(request).await });
                    async move { served.await.unwrap_or_else(|error| Err(io::Error::other(error))) }
                });
                let serving =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(serving);
            }
        });
        Self { url, mind, _runtime: runtime }
    }

    /// Where the observer calls.
    pub(crate) fn observer_url(&self) -> String {
        format!("{}/{OBSERVER}", self.url)
    }

    fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls since this was asked last.
    pub(crate) fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.mind().calls)
    }

    /// The operations called since this was asked last.
    pub(crate) fn take_operations(&self) -> Vec<String> {
        self.take_calls().into_iter().map(|call| call.operation).collect()
    }

    /// The ids of the access keys that calls were made with since this was asked last.
    pub(crate) fn take_keys(&self) -> Vec<String> {
        std::mem::take(&mut self.mind().keys).into_iter().collect()
    }

    /// From now on the last of each `every` calls of an operation goes wrong, `times` in all.
    pub(crate) fn misbehave(&self, operation: &'static str, fault: Fault, every: usize, times: usize) {
        self.mind().rules.push(Rule { operation, region: None, fault, every, times, seen: 0 });
    }

    /// The same in one region alone.
    pub(crate) fn misbehave_in(&self, region: &'static str, operation: &'static str, fault: Fault, times: usize) {
        self.mind().rules.push(Rule { operation, region: Some(region), fault, every: 1, times, seen: 0 });
    }

    /// What was asked of an operation of EC2's, each time it was called, in its own words: `InstanceMarketOptions.MarketType`.
    pub(crate) fn asked(&self, operation: &str) -> Vec<BTreeMap<String, String>> {
        let asked = self.mind().asked.clone();
        asked.into_iter().filter(|(name, _)| name == operation).map(|(_, words)| words).collect()
    }

    /// Whether lists of buckets are empty, as if they lagged.
    pub(crate) fn hide_from_lists(&self, hide: bool) {
        self.mind().hides = hide;
    }

    /// How many machines a page has at most.
    pub(crate) fn pages_of(&self, machines: usize) {
        self.mind().page = Some(machines);
    }

    /// From now on nothing goes wrong.
    pub(crate) fn behave(&self) {
        self.mind().rules.clear();
    }
}

/// What serves.
struct Behind {
    moto: SocketAddr,
    /// What serves types: Cloud Control, which moto lacks, what CloudFormation says of them, and ECR with its registry.
    cloud_control: SocketAddr,
    account: String,
    mind: Arc<Mutex<Mind>>,
}

type Answer = Response<Full<Bytes>>;

impl Behind {
    fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Answer, io::Error> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        if let Some(path) = path.strip_prefix(&format!("/{OBSERVER}")) {
            head.uri = format!("/{}", path.trim_start_matches('/')).parse().map_err(io::Error::other)?;
            return self.forward(Request::from_parts(head, body)).await;
        }
        let request = Request::from_parts(head, body);
        let operation = operation(&request);
        self.mind().keys.extend(key(&request));
        let fault = self.mind().fault(&operation, region(&request));
        if service(&request) == "ec2" {
            self.mind().asked.push((operation.clone(), words(request.body())));
        }
        let answer = match fault {
            Some(Fault::Refuses(status, code)) => Ok(refusal(&request, status, code, TOLD)),
            Some(Fault::RefusesFor(status, code, words)) => Ok(refusal(&request, status, code, words)),
            Some(Fault::Delays(time)) => {
                tokio::time::sleep(time).await;
                self.carry_out(request).await
            }
            Some(Fault::Kills(told)) => {
                self.carry_out(request).await?;
                let _ = told.send(());
                std::future::pending().await
            }
            Some(Fault::LosesReply) => {
                self.carry_out(request).await?;
                Err(io::Error::other("the reply is lost"))
            }
            None => self.carry_out(request).await,
        };
        let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
        self.mind().calls.push(Call { operation, status });
        answer
    }

    /// Carries a call out, and honours its token as EC2 does.
    async fn carry_out(&self, request: Request<Bytes>) -> Result<Answer, io::Error> {
        let Some(token) = client_token(&request) else { return self.complete(request).await };
        let known = self.mind().tokens.entry(token).or_default().clone();
        let mut known = known.lock().await;
        if let Some((first, answer)) = &*known {
            // The same request has the same answer; another one is refused.
            let is_same = first == request.body();
            return Ok(if is_same {
                answered(answer.clone())
            } else {
                refusal(&request, 400, "IdempotentParameterMismatch", TOLD)
            });
        }
        let sent = request.body().clone();
        let answer = self.complete(request).await?;
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        *known = Some((sent, body.clone()));
        Ok(Response::from_parts(head, Full::new(body)))
    }

    /// Forwards a call, and does what moto leaves out of S3: it sets no tags on the bucket that it creates.
    async fn complete(&self, request: Request<Bytes>) -> Result<Answer, io::Error> {
        let tags = (operation(&request) == "s3:CreateBucket").then(|| tags_in(request.body())).flatten();
        let tagging = tags.map(|tags| {
            let mut tagging = Request::new(Bytes::from(format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")));
            *tagging.method_mut() = Method::PUT;
            *tagging.uri_mut() = format!("{}?tagging=", request.uri().path()).parse().unwrap();
            for name in ["host", "authorization", "x-amz-date"] {
                if let Some(value) = request.headers().get(name) {
                    tagging.headers_mut().insert(name, value.clone());
                }
            }
            tagging
        });
        let answer = self.forward(request).await?;
        if let Some(tagging) = tagging.filter(|_| answer.status().is_success()) {
            let tagged = self.forward(tagging).await?;
            assert!(tagged.status().is_success(), "{tagged:?}");
        }
        Ok(answer)
    }

    async fn forward(&self, mut request: Request<Bytes>) -> Result<Answer, io::Error> {
        request.headers_mut().insert("x-moto-account-id", HeaderValue::from_str(&self.account).unwrap());
        request.headers_mut().remove("expect");
        if let Some(page) = self.mind().page.filter(|_| operation(&request) == "ec2:DescribeInstances") {
            let text =
                String::from_utf8_lossy(request.body()).replace("MaxResults=1000", &format!("MaxResults={page}"));
            *request.body_mut() = text.into();
        }
        let length = request.body().len().into();
        request.headers_mut().insert("content-length", length);
        request.headers_mut().remove("transfer-encoding");
        let is_list = operation(&request) == "s3:ListBuckets";
        let is_of_types = request.uri().path() == "/told"
            || is_of_registry(&request)
            || matches!(service(&request), "cloudcontrolapi" | "cloudformation" | "ecr");
        let stream = TcpStream::connect(if is_of_types { self.cloud_control } else { self.moto }).await?;
        let made = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = made.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let is_bodiless = request.method() == Method::HEAD;
        let answer = sender.send_request(request.map(Full::new)).await.map_err(io::Error::other)?;
        let (mut head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let body = righted(body);
        let hides = is_list && self.mind().hides;
        let body = if hides { without_buckets(&body) } else { body };
        // An answer to HEAD tells the length of a body that it does not have.
        if !is_bodiless {
            head.headers.insert("content-length", body.len().into());
        }
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

impl Mind {
    /// What goes wrong with a call that comes now.
    fn fault(&mut self, operation: &str, region: &str) -> Option<Fault> {
        let is_it = |rule: &&mut Rule| rule.operation == operation && rule.region.is_none_or(|of| of == region);
        self.rules.iter_mut().filter(is_it).find_map(|rule| {
            rule.seen += 1;
            let is_due = rule.times > 0 && rule.seen.is_multiple_of(rule.every);
            rule.times -= usize::from(is_due);
            is_due.then(|| rule.fault.clone())
        })
    }
}

/// The id of the access key that a call is signed with.
fn key(request: &Request<Bytes>) -> Option<String> {
    let signed = request.headers().get("authorization")?.to_str().ok()?;
    Some(signed.split_once("Credential=")?.1.split('/').next()?.to_owned())
}

/// A refusal, in the language of the call.
fn refusal(request: &Request<Bytes>, status: u16, code: &str, words: &str) -> Answer {
    let is_json = request.headers().contains_key("x-amz-target");
    let body = if is_json {
        format!(r#"{{"__type": "{code}", "message": "{words}"}}"#)
    } else if service(request) == "ec2" {
        format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{words}</Message></Error></Errors><RequestID>REQUEST-1</RequestID></Response>"
        )
    } else {
        format!("<Error><Code>{code}</Code><Message>{words}</Message></Error>")
    };
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    let headers = answer.headers_mut();
    headers.insert("x-amz-request-id", HeaderValue::from_static("REQUEST-1"));
    headers.insert(
        "content-type",
        HeaderValue::from_static(if is_json { "application/x-amz-json-1.0" } else { "text/xml" }),
    );
    if status == 503 {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("0"));
    }
    answer
}

/// An answer that was given before.
fn answered(body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    answer.headers_mut().insert("content-type", HeaderValue::from_static("text/xml"));
    answer
}

/// The region and the token of a launch of machines.
fn client_token(request: &Request<Bytes>) -> Option<(String, String)> {
    let is_launch = operation(request) == "ec2:RunInstances";
    let token = is_launch.then(|| words(request.body()).remove("ClientToken")).flatten()?;
    Some((region(request).to_owned(), token))
}

/// What a form says.
fn words(body: &Bytes) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| (decoded(name), decoded(value)));
    text.split('&').filter_map(pair).collect()
}

/// A text of a form as it is meant.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(if *first == b'+' { b' ' } else { *first });
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer as S3 gives it, where moto calls it by another name.
fn righted(body: Bytes) -> Bytes {
    const NAMES: [(&str, &str); 2] =
        [("GetBucketVersioningResponse", "VersioningConfiguration"), ("ListPartsResponse", "ListPartsResult")];
    let text = if body.starts_with(b"<?xml") { String::from_utf8_lossy(&body) } else { "".into() };
    let wrong = NAMES.iter().find(|(theirs, _)| text.contains(theirs));
    if let Some((theirs, right)) = wrong { text.replace(theirs, right).into() } else { body }
}

/// A list of buckets without its buckets.
fn without_buckets(body: &Bytes) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let cut = text.split_once("<Buckets>").zip(text.split_once("</Buckets>"));
    cut.map_or_else(|| body.clone(), |((head, _), (_, tail))| format!("{head}<Buckets></Buckets>{tail}").into())
}

/// What stands between `<Tags>` and `</Tags>`.
fn tags_in(body: &Bytes) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    Some(text.split_once("<Tags>")?.1.split_once("</Tags>")?.0.to_owned())
}

/// Whether a call is one of the OCI distribution API.
fn is_of_registry(request: &Request<Bytes>) -> bool {
    request.uri().path().starts_with("/v2/")
}

/// The service and the operation of a call.
fn operation(request: &Request<Bytes>) -> String {
    if is_of_registry(request) {
        let path = request.uri().path();
        let of = ["/blobs/uploads/", "/blobs/", "/manifests/"].into_iter().find(|part| path.contains(part));
        return format!("registry:{} {}", request.method(), of.unwrap_or("/").trim_matches('/'));
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let service = service(request);
    let name = match (header("x-amz-target"), service) {
        (Some(target), _) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        (None, "s3") => s3_operation(request),
        (None, _) => {
            let body = String::from_utf8_lossy(request.body()).into_owned();
            let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
            action.unwrap_or("Unknown").to_owned()
        }
    };
    format!("{service}:{name}")
}

/// The service of a call.
fn service(request: &Request<Bytes>) -> &str {
    credential(request, 3).unwrap_or("unsigned")
}

/// The region of a call.
fn region(request: &Request<Bytes>) -> &str {
    credential(request, 2).unwrap_or_default()
}

/// A part of what a call is signed with: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn credential(request: &Request<Bytes>, part: usize) -> Option<&str> {
    let signed = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    signed.and_then(|signed| signed.split("Credential=").nth(1)?.split('/').nth(part))
}

/// What S3 calls an operation of uploads in parts.
fn upload_operation(method: &Method, query: &[&str]) -> Option<&'static str> {
    let has = |name: &str| query.contains(&name);
    match *method {
        Method::GET if has("uploads") => Some("ListMultipartUploads"),
        Method::POST if has("uploads") => Some("CreateMultipartUpload"),
        Method::PUT if has("uploadId") => Some("UploadPart"),
        Method::GET if has("uploadId") => Some("ListParts"),
        Method::POST if has("uploadId") => Some("CompleteMultipartUpload"),
        Method::DELETE if has("uploadId") => Some("AbortMultipartUpload"),
        Method::GET if has("list-type") => Some("ListObjectsV2"),
        _ => None,
    }
}

/// S3 names its operations by method, path and query.
fn s3_operation(request: &Request<Bytes>) -> String {
    const BELOW: [(&str, &str); 13] = [
        ("tagging", "BucketTagging"),
        ("versioning", "BucketVersioning"),
        ("encryption", "BucketEncryption"),
        ("publicAccessBlock", "PublicAccessBlock"),
        ("ownershipControls", "BucketOwnershipControls"),
        ("lifecycle", "BucketLifecycle"),
        ("policy", "BucketPolicy"),
        ("cors", "BucketCors"),
        ("logging", "BucketLogging"),
        ("object-lock", "ObjectLockConfiguration"),
        ("versions", "ObjectVersions"),
        ("delete", "Objects"),
        ("list-type", "Objects"),
    ];
    let query = request.uri().query().unwrap_or_default();
    let names: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    if let Some(name) = upload_operation(request.method(), &names) {
        return name.to_owned();
    }
    let below = BELOW.iter().find(|(name, _)| names.contains(name)).map(|(_, below)| *below);
    let depth = request.uri().path().trim_matches('/').split('/').filter(|step| !step.is_empty()).count();
    let verb = match (request.method(), below) {
        (&Method::GET, None) if depth == 0 => "List",
        (&Method::GET, _) => "Get",
        (&Method::PUT, None) if depth == 1 => "Create",
        (&Method::PUT, _) => "Put",
        (&Method::HEAD, _) => "Head",
        (&Method::DELETE, _) | (&Method::POST, Some("Objects")) => "Delete",
        (&Method::POST, _) => "Post",
        _ => "Unknown",
    };
    let of = below.unwrap_or(["Buckets", "Bucket", "Object"][depth.min(2)]);
    format!("{verb}{of}")
}
