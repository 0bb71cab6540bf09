#include "sim/cluster/kubelet/device_checkpoint.h"

#include "plugins/device/api/deviceplugin_v1beta1.pb.h"
#include "sim/cluster/kubelet/base64.h"

#include <nlohmann/json.hpp>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <stdexcept>

namespace rdmalab::cluster {

namespace {

using OrderedJson = nlohmann::ordered_json;

std::string toProtobuf(const AllocateResponse& response) {
    v1beta1::ContainerAllocateResponse message;
    for (const auto& [key, value] : response.envs)
        (*message.mutable_envs())[key] = value;
    for (const auto& mount : response.mounts) {
        auto* to = message.add_mounts();
        to->set_container_path(mount.containerPath);
        to->set_host_path(mount.hostPath);
        to->set_read_only(mount.readOnly);
    }
    for (const auto& device : response.devices) {
        auto* to = message.add_devices();
        to->set_container_path(device.containerPath);
        to->set_host_path(device.hostPath);
        to->set_permissions(device.permissions);
    }
    for (const auto& [key, value] : response.annotations)
        (*message.mutable_annotations())[key] = value;
    for (const auto& name : response.cdiDevices)
        message.add_cdi_devices()->set_name(name);
    std::string bytes;
    {
        google::protobuf::io::StringOutputStream stream(&bytes);
        google::protobuf::io::CodedOutputStream coded(&stream);
        coded.SetSerializationDeterministic(true); // maps in key order: the same allocation is the same file
        message.SerializeToCodedStream(&coded);
    }
    return bytes;
}

AllocateResponse fromProtobuf(const std::string& bytes) {
    v1beta1::ContainerAllocateResponse message;
    if (!message.ParseFromString(bytes))
        throw std::runtime_error("AllocResp is not a ContainerAllocateResponse");
    AllocateResponse response;
    response.envs.insert(message.envs().begin(), message.envs().end());
    for (const auto& mount : message.mounts())
        response.mounts.push_back({mount.container_path(), mount.host_path(), mount.read_only()});
    for (const auto& device : message.devices())
        response.devices.push_back({device.container_path(), device.host_path(), device.permissions()});
    response.annotations.insert(message.annotations().begin(), message.annotations().end());
    for (const auto& device : message.cdi_devices())
        response.cdiDevices.push_back(device.name());
    return response;
}

std::uint32_t fnv1a(const std::string& text) {
    std::uint32_t hash = 2166136261U;
    for (const unsigned char byte : text)
        hash = (hash ^ byte) * 16777619U;
    return hash;
}

} // namespace

std::string encodeCheckpoint(const DeviceCheckpoint& checkpoint) {
    OrderedJson entries = checkpoint.entries.empty() ? OrderedJson(nullptr) : OrderedJson::array();
    for (const auto& entry : checkpoint.entries) {
        OrderedJson ids = OrderedJson::object();
        for (const auto& [node, list] : entry.ids)
            ids[std::to_string(node)] = list;
        entries.push_back({{"PodUID", entry.podUid},
                           {"ContainerName", entry.container},
                           {"ResourceName", entry.resource},
                           {"DeviceIDs", std::move(ids)},
                           {"AllocResp", encodeBase64(toProtobuf(entry.response))}});
    }
    OrderedJson registered = OrderedJson::object();
    for (const auto& [resource, ids] : checkpoint.registered)
        registered[resource] = ids;
    OrderedJson data = OrderedJson::object();
    data["PodDeviceEntries"] = std::move(entries);
    data["RegisteredDevices"] = std::move(registered);
    const std::uint32_t checksum = fnv1a(data.dump());
    OrderedJson file = OrderedJson::object();
    file["Data"] = std::move(data);
    file["Checksum"] = checksum;
    return file.dump();
}

DeviceCheckpoint decodeCheckpoint(const std::string& text) try {
    DeviceCheckpoint checkpoint;
    const auto file = nlohmann::json::parse(text);
    const auto& data = file.at("Data");
    if (const auto entries = data.find("PodDeviceEntries"); entries != data.end() && !entries->is_null())
        for (const auto& from : *entries) {
            DeviceCheckpoint::Entry entry{from.at("PodUID"), from.at("ContainerName"), from.at("ResourceName"), {}, {}};
            if (const auto& ids = from.at("DeviceIDs"); ids.is_array())
                entry.ids[-1] = ids.get<std::vector<std::string>>();
            else
                for (const auto& [node, list] : ids.items())
                    entry.ids[std::stoll(node)] = list.get<std::vector<std::string>>();
            if (const auto response = from.find("AllocResp"); response != from.end() && response->is_string())
                entry.response = fromProtobuf(decodeBase64(response->get<std::string>()));
            checkpoint.entries.push_back(std::move(entry));
        }
    if (const auto registered = data.find("RegisteredDevices"); registered != data.end() && registered->is_object())
        for (const auto& [resource, ids] : registered->items())
            checkpoint.registered[resource] = ids.is_null() ? std::vector<std::string>{} : ids.get<std::vector<std::string>>();
    return checkpoint;
} catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(error.what());
} catch (const std::logic_error& error) { // a NUMA key that is no number
    throw std::runtime_error(error.what());
}

} // namespace rdmalab::cluster
