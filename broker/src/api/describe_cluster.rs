//! DescribeCluster (60), versions 0 to 2: cluster id, controller, brokers (KIP-700).
//!
//! - v1 endpoint type (KIP-919): this is a broker's listener, so only brokers (1) can be asked for: 115
//!   otherwise · v2 fenced brokers on request.

use rkafka_wire::ErrorCode;
use rkafka_wire::messages::describe_cluster_response::DescribeClusterBroker;
use rkafka_wire::messages::{BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use rkafka_wire::versions::Versions;

use super::{Call, authorized_operations, text};
use crate::server::Stage;

pub(super) const VERSIONS: Versions = Versions::new(0, 2);

const ENDPOINT_TYPE_BROKER: i8 = 1;
const ENDPOINT_TYPE_CONTROLLER: i8 = 2;
const MISMATCHED: &str =
    "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";

pub(super) fn handle(call: Call, request: DescribeClusterRequest) -> Stage {
    let answer = DescribeClusterResponse::default().with_endpoint_type(ENDPOINT_TYPE_BROKER);
    if call.version() >= 1 && request.endpoint_type != ENDPOINT_TYPE_BROKER {
        let (error, message) = match request.endpoint_type {
            ENDPOINT_TYPE_CONTROLLER => (ErrorCode::MismatchedEndpointType, MISMATCHED.to_owned()),
            other => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}")),
        };
        return call.answer(&answer.with_error_code(error.code()).with_error_message(Some(text(&message))));
    }
    let image = call.broker.image();
    let brokers = image.brokers().iter().filter(|broker| request.include_fenced_brokers || !broker.fenced);
    let brokers = brokers.filter_map(|broker| {
        let endpoint = broker.endpoint(&call.connection.listener)?;
        Some(
            DescribeClusterBroker::default()
                .with_broker_id(BrokerId(broker.id.0))
                .with_host(text(&endpoint.host))
                .with_port(i32::from(endpoint.port))
                .with_rack(broker.rack.as_deref().map(text))
                .with_is_fenced(broker.fenced),
        )
    });
    let controller = call.broker.metadata.controller().unwrap_or(call.broker.id);
    let operations = authorized_operations::asked(
        request.include_cluster_authorized_operations,
        authorized_operations::CLUSTER,
    );
    let answer = answer
        .with_cluster_id(text(image.cluster_id().unwrap_or_default()))
        .with_controller_id(BrokerId(controller.0))
        .with_brokers(brokers.collect())
        .with_cluster_authorized_operations(operations);
    call.answer(&answer)
}
