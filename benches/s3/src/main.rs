//! An S3 server over a directory, for benchmarks: `trueup-bench-s3 DIRECTORY`. It serves the key `tester` with the secret `tester` on a free
//! port of loopback, which it prints, until its standard input ends.
//!
//! What is stored, and how, is s3s-fs's own doing. That has no list of unfinished uploads, which is empty here: in a directory that is new
//! for each run there are none when somebody asks.

use async_trait::async_trait;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, dto};
use s3s_fs::FileSystem;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

struct Server(FileSystem);

/// Hands these operations to the file system as they are.
macro_rules! handed_on {
    ($($operation:ident: $input:ident -> $output:ident;)*) => {
        #[async_trait]
        impl S3 for Server {
            $(async fn $operation(&self, request: S3Request<dto::$input>) -> S3Result<S3Response<dto::$output>> {
                self.0.$operation(request).await
            })*

            async fn list_multipart_uploads(
                &self,
                request: S3Request<dto::ListMultipartUploadsInput>,
            ) -> S3Result<S3Response<dto::ListMultipartUploadsOutput>> {
                let output = dto::ListMultipartUploadsOutput {
                    bucket: Some(request.input.bucket),
                    prefix: request.input.prefix,
                    is_truncated: Some(false),
                    ..Default::default()
                };
                Ok(S3Response::new(output))
            }
        }
    };
}

handed_on! {
    abort_multipart_upload: AbortMultipartUploadInput -> AbortMultipartUploadOutput;
    complete_multipart_upload: CompleteMultipartUploadInput -> CompleteMultipartUploadOutput;
    create_bucket: CreateBucketInput -> CreateBucketOutput;
    create_multipart_upload: CreateMultipartUploadInput -> CreateMultipartUploadOutput;
    delete_bucket: DeleteBucketInput -> DeleteBucketOutput;
    delete_object: DeleteObjectInput -> DeleteObjectOutput;
    delete_objects: DeleteObjectsInput -> DeleteObjectsOutput;
    get_bucket_location: GetBucketLocationInput -> GetBucketLocationOutput;
    get_object: GetObjectInput -> GetObjectOutput;
    head_bucket: HeadBucketInput -> HeadBucketOutput;
    head_object: HeadObjectInput -> HeadObjectOutput;
    list_buckets: ListBucketsInput -> ListBucketsOutput;
    list_objects: ListObjectsInput -> ListObjectsOutput;
    list_objects_v2: ListObjectsV2Input -> ListObjectsV2Output;
    list_parts: ListPartsInput -> ListPartsOutput;
    put_object: PutObjectInput -> PutObjectOutput;
    upload_part: UploadPartInput -> UploadPartOutput;
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let directory = std::env::args().nth(1).ok_or_else(|| std::io::Error::other("which directory?"))?;
    let files = FileSystem::new(directory).map_err(|error| std::io::Error::other(format!("{error:?}")))?;
    let mut service = S3ServiceBuilder::new(Server(files));
    service.set_auth(SimpleAuth::from_single("tester", "tester"));
    let service = service.build();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?.port());
    let ended = async { tokio::io::stdin().read_to_end(&mut Vec::new()).await };
    let served = async {
        loop {
            let (socket, _) = listener.accept().await?;
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    };
    tokio::select! { end = ended => end.map(drop), end = served => end }
}
