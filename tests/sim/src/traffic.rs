//! Messages between hosts: sending, delivering, and what a client makes of an answer.

use rkafka_core::ids::{BrokerId, PartitionId};

use crate::message::{Body, Message};
use crate::net::Host;
use crate::process::Outgoing;
use crate::world::{Event, World};

impl World {
    pub(crate) fn send(&mut self, from: Host, out: Vec<Outgoing>) {
        for Outgoing { to, answers, body } in out {
            let (connection, life) = answers.unwrap_or_else(|| self.connection_of(from, to));
            let is_answer = body.is_answer();
            let message = Message { from, to, connection, life, body };
            if matches!(message.body, Body::AlterPartition { .. })
                && let Some(at_ms) = self.network.duplicate(self.now_ms)
            {
                self.schedule_at(at_ms, Event::Deliver(Box::new(message.clone())));
            }
            if let Some(at_ms) = self.network.arrival(self.now_ms, from, to, connection, is_answer) {
                self.schedule_at(at_ms, Event::Deliver(Box::new(message)));
            }
        }
    }

    /// The connection a request goes over, and the life of the process that sends it.
    pub(crate) fn connection_of(&self, from: Host, to: Host) -> (u64, u64) {
        match from {
            Host::Broker(id) => {
                let machine = self.machines.iter().find(|machine| machine.id == id);
                let process = machine.and_then(|machine| machine.process.as_ref());
                process.map_or((0, 0), |process| (process.following.connection(to), process.life))
            }
            Host::Client(id) => {
                let producer = self.producers.iter().find(|producer| producer.host == id);
                let consumer = self.consumers.iter().find(|consumer| consumer.host == id);
                let connection = producer.map(|producer| producer.connection);
                (connection.or(consumer.map(|consumer| consumer.connection)).unwrap_or(0), 0)
            }
            Host::Controller => (0, 0),
        }
    }

    pub(crate) fn deliver(&mut self, message: Box<Message>) {
        match message.to {
            Host::Controller => {
                if let Some(body) = self.quorum.handle(&message, self.now_ms) {
                    if let (Body::Registered(Ok(_)), Host::Broker(broker)) = (&body, message.from)
                        && let Some(machine) = self.machine(broker)
                    {
                        machine.damaged = false;
                    }
                    let answers = Some((message.connection, message.life));
                    self.send(Host::Controller, vec![Outgoing { to: message.from, answers, body }]);
                }
            }
            Host::Broker(broker) => {
                let Some(machine) = self.machine(broker) else { return };
                let Some(process) = &machine.process else { return };
                let of_this_life = !message.body.is_answer() || message.life == process.life;
                let paused_until_ms = machine.paused_until_ms;
                if paused_until_ms > self.now_ms {
                    self.schedule_at(paused_until_ms, Event::Deliver(message));
                } else if of_this_life {
                    self.say(|| format!("{:?} → {broker}: {:?}", message.from, message.body));
                    self.with_process(broker, |process, context| process.on_message(&message, context));
                }
            }
            Host::Client(client) => self.deliver_to_client(client, &message),
        }
    }

    pub(crate) fn deliver_to_client(&mut self, client: u32, message: &Message) {
        let (now_ms, Host::Broker(broker)) = (self.now_ms, message.from) else { return };
        self.say(|| format!("{broker} → client {client}: {:?}", message.body));
        let wishes = match &message.body {
            Body::Produced { partition, value, result, at_ms } => {
                let may_forget =
                    self.truth.may_forget_producers(*partition) || !self.leads(broker, *partition);
                let named = self.named(*partition);
                let producer = self.producers.iter_mut().find(|producer| producer.host == client);
                let Some(producer) = producer.filter(|known| known.connection == message.connection) else {
                    return;
                };
                producer.on_produced((broker, *at_ms), *value, *result, named, now_ms, may_forget)
            }
            Body::Consumed { partition, offset, result } => {
                let (named, end) = (self.named(*partition), self.truth.committed_end(*partition));
                let consumer = self.consumers.iter_mut().find(|consumer| consumer.host == client);
                let Some(consumer) = consumer.filter(|known| known.connection == message.connection) else {
                    return;
                };
                consumer.on_consumed(*offset, result, named, now_ms, end)
            }
            _ => return,
        };
        self.fulfil(client, wishes);
    }

    /// Whether the broker leads the partition, as the quorum has it and as it has it itself.
    pub(crate) fn leads(&self, broker: i32, id: PartitionId) -> bool {
        let topic = self.quorum.image().topics().by_id(id.topic);
        let state = topic.and_then(|topic| topic.partition(id.index));
        let machine = self.machines.iter().find(|machine| machine.id == broker);
        let replica = machine.and_then(|machine| machine.process.as_ref()?.replicas.get(&id));
        state.zip(replica).is_some_and(|(state, replica)| {
            state.leader == Some(BrokerId(broker)) && state.leader_epoch == replica.state.leader_epoch
        })
    }
}
