//! DescribeCluster (60), versions 0 to 2: cluster id, controller, brokers (KIP-700).
//!
//! - v1 endpoint type (KIP-919): controllers (2) can be asked for at the quorum's listeners only, 114 elsewhere; brokers
//!   everywhere, also there · v2 fenced brokers on request.

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
            ENDPOINT_TYPE_CONTROLLER if call.connection.is_controller => return controllers(call),
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

/// The voters of the metadata quorum, and which of them leads.
fn controllers(call: Call) -> Stage {
    let (image, status) = (call.broker.image(), call.broker.metadata.quorum_status());
    let own = call.broker.id.0;
    call.later(async move {
        let status = status.await;
        let controllers = status.nodes.iter().map(|node| {
            DescribeClusterBroker::default()
                .with_broker_id(BrokerId(node.id))
                .with_host(text(&node.host))
                .with_port(i32::from(node.port))
                .with_rack(None)
        });
        DescribeClusterResponse::default()
            .with_endpoint_type(ENDPOINT_TYPE_CONTROLLER)
            .with_cluster_id(text(image.cluster_id().unwrap_or_default()))
            .with_controller_id(BrokerId(status.leader.unwrap_or(own)))
            .with_brokers(controllers.collect())
            .with_cluster_authorized_operations(i32::MIN)
    })
}
