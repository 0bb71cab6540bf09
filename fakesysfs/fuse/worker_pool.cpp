#include "fakesysfs/fuse/worker_pool.h"

#include "fakesysfs/fuse/quiet_thread.h"

#include <chrono>
#include <system_error>

namespace rdmalab::fakesysfs {
namespace {

constexpr std::chrono::seconds patience{5};

} // namespace

WorkerPool::~WorkerPool() {
    std::unique_lock lock(mutex_);
    ending_ = true;
    wake_.notify_all();
    ended_.wait(lock, [this] { return threads_ == 0; });
}

void WorkerPool::run(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (tasks_.size() > idle_ && threads_ < most_) {
        try {
            // Not joined: the destructor waits until the last has said that it is going.
            quietThread(name_, [this] { work(); }).detach();
            ++threads_;
        } catch (const std::system_error&) {
            if (threads_ == 0) {
                tasks_.pop_back();
                throw;
            }
        }
    }
    wake_.notify_one();
}

void WorkerPool::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        if (tasks_.empty()) {
            ++idle_;
            const bool more = wake_.wait_for(lock, patience, [this] { return ending_ || !tasks_.empty(); });
            --idle_;
            if (!more || tasks_.empty())
                break;
        }
        const std::function<void()> task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task();
        lock.lock();
    }
    --threads_;
    ended_.notify_all(); // with the lock held: nothing of this object is touched after it is free
}

} // namespace rdmalab::fakesysfs
