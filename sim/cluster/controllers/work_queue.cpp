#include "sim/cluster/controllers/work_queue.h"

namespace rdmalab::cluster {

struct WorkQueue::Impl : std::enable_shared_from_this<Impl> {
    clock::EventLoop& loop;
    std::function<void(const std::string&)> reconcile;
    std::set<std::string> posted, batched;

    Impl(clock::EventLoop& l, std::function<void(const std::string&)> r) : loop(l), reconcile(std::move(r)) {}

    void add(const std::string& key) {
        if (!posted.insert(key).second)
            return;
        loop.post([weak = weak_from_this(), key] {
            if (const auto self = weak.lock()) {
                self->posted.erase(key);
                self->reconcile(key);
            }
        });
    }
};

WorkQueue::WorkQueue(clock::EventLoop& loop, std::function<void(const std::string&)> reconcile)
    : impl_(std::make_shared<Impl>(loop, std::move(reconcile))) {}

WorkQueue::~WorkQueue() = default;

void WorkQueue::add(const std::string& key) {
    impl_->add(key);
}

void WorkQueue::addAfter(const std::string& key, clock::Duration delay) {
    impl_->loop.after(delay, [weak = std::weak_ptr(impl_), key] {
        if (const auto impl = weak.lock())
            impl->add(key);
    });
}

void WorkQueue::addBatched(const std::string& key, clock::Duration delay) {
    if (!impl_->batched.insert(key).second)
        return;
    impl_->loop.after(delay, [weak = std::weak_ptr(impl_), key] {
        if (const auto impl = weak.lock()) {
            impl->batched.erase(key);
            impl->reconcile(key);
        }
    });
}

} // namespace rdmalab::cluster
