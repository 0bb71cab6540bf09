#include "fakesysfs/fuse/service.h"

namespace rdmalab::fakesysfs {

std::shared_ptr<Viewers> FuseService::Impl::viewersOf(const void* machine) {
    const std::lock_guard lock(mutex_);
    std::erase_if(viewers_, [](const auto& one) { return one.second.expired(); });
    std::weak_ptr<Viewers>& place = viewers_[machine];
    std::shared_ptr<Viewers> viewers = place.lock();
    if (!viewers)
        place = viewers = std::make_shared<Viewers>();
    return viewers;
}

} // namespace rdmalab::fakesysfs
