#include "sim/cluster/api/api_server.h"

#include "sim/cluster/api_errors.h"
#include "sim/cluster/label_selector.h"
#include "sim/cluster/store.h"

#include <map>

namespace rdmalab::cluster {

using plugin::HttpRequest;
using plugin::HttpResponse;
using plugin::KubeError;

namespace {

std::string decoded(const std::string& text) {
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && std::isxdigit(static_cast<unsigned char>(text[i + 1])) &&
            std::isxdigit(static_cast<unsigned char>(text[i + 2]))) {
            result += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
            i += 2;
        } else {
            result += text[i] == '+' ? ' ' : text[i];
        }
    }
    return result;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::size_t begin = 0;
    for (std::size_t at; (at = text.find(separator, begin)) != std::string::npos; begin = at + 1)
        if (at > begin)
            parts.push_back(text.substr(begin, at - begin));
    if (begin < text.size())
        parts.push_back(text.substr(begin));
    return parts;
}

struct Target {
    const plugin::ResourceType* type = nullptr;
    std::string ns, name, subresource;
    std::map<std::string, std::string> query;
};

KubeError unknownPath() {
    return {404, "NotFound", "the server could not find the requested resource"};
}

Target parse(const Store& store, const std::string& target) {
    Target result;
    const auto mark = target.find('?');
    if (mark != std::string::npos)
        for (const auto& pair : split(target.substr(mark + 1), '&')) {
            const auto equals = pair.find('=');
            result.query[decoded(pair.substr(0, equals))] =
                equals == std::string::npos ? std::string() : decoded(pair.substr(equals + 1));
        }
    auto parts = split(target.substr(0, mark), '/');
    for (auto& part : parts)
        part = decoded(part);
    std::string apiVersion;
    std::size_t at = 0;
    if (parts.size() >= 3 && parts[0] == "api") {
        apiVersion = parts[1];
        at = 2;
    } else if (parts.size() >= 4 && parts[0] == "apis") {
        apiVersion = parts[1] + "/" + parts[2];
        at = 3;
    } else {
        throw unknownPath();
    }
    // "namespaces/N/pods" is a namespaced collection, "namespaces/N" and "namespaces/N/status" are the Namespace itself.
    if (parts[at] == "namespaces" && parts.size() > at + 2 && parts[at + 2] != "status") {
        result.ns = parts[at + 1];
        at += 2;
    }
    result.type = store.findPlural(apiVersion, parts[at]);
    if (result.type == nullptr)
        throw unknownPath();
    if (parts.size() > at + 1)
        result.name = parts[at + 1];
    if (parts.size() > at + 2)
        result.subresource = parts[at + 2];
    if (parts.size() > at + 3 || (!result.subresource.empty() && result.subresource != "status"))
        throw unknownPath();
    return result;
}

Json bodyOf(const HttpRequest& request) {
    Json body = Json::parse(request.body, nullptr, false);
    if (!body.is_object())
        throw badRequest("the body of the request is not a JSON object");
    return body;
}

// What the path says and the body leaves out; a contradiction is an error.
void complete(Json& object, const Target& target) {
    const auto fill = [&](Json& where, const char* key, const std::string& value) {
        if (value.empty())
            return;
        if (where.contains(key) && where.at(key) != value)
            throw badRequest(std::string("the ") + key + " of the object (" + where.at(key).dump() +
                             ") does not match that of the request (" + value + ")");
        where[key] = value;
    };
    fill(object, "apiVersion", target.type->apiVersion);
    fill(object, "kind", target.type->kind);
    if (!object.contains("metadata"))
        object["metadata"] = Json::object();
    if (!object["metadata"].is_object())
        throw badRequest("metadata is not an object");
    fill(object["metadata"], "namespace", target.ns);
    fill(object["metadata"], "name", target.name);
}

bool matchesFields(const Json& object, const std::string& selector) {
    for (const auto& term : split(selector, ',')) {
        const auto negated = term.find("!=");
        const auto at = negated != std::string::npos ? negated : term.find('=');
        if (at == std::string::npos)
            throw badRequest("invalid field selector \"" + term + "\"");
        std::string value = term.substr(at + (negated != std::string::npos ? 2 : 1));
        if (!value.empty() && value[0] == '=')
            value = value.substr(1);
        const Json* part = &object;
        for (const auto& key : split(term.substr(0, at), '.')) {
            const auto found = part->is_object() ? part->find(key) : part->end();
            static const Json nothing = "";
            part = part->is_object() && found != part->end() ? &*found : &nothing;
        }
        if ((*part == value) == (negated != std::string::npos))
            return false;
    }
    return true;
}

Json listOf(const Store& store, const Target& target) {
    const auto labels = target.query.find("labelSelector");
    const auto fields = target.query.find("fieldSelector");
    const Json selector = labels == target.query.end() || labels->second.empty() ? Json() : parseSelector(labels->second);
    Json items = Json::array();
    for (const auto& object : store.list(target.type->kind, target.ns)) {
        if (!selector.is_null() && !matchesSelector(selector, object->at("metadata").value("labels", Json::object())))
            continue;
        if (fields != target.query.end() && !matchesFields(*object, fields->second))
            continue;
        items.push_back(*object);
    }
    return {{"apiVersion", target.type->apiVersion},
            {"kind", target.type->kind + "List"},
            {"metadata", {{"resourceVersion", std::to_string(store.resourceVersion())}}},
            {"items", std::move(items)}};
}

HttpResponse answer(int status, const Json& body) {
    return {status, body.dump(), "application/json"};
}

Json statusOf(const KubeError& error) {
    return {{"apiVersion", "v1"},   {"kind", "Status"},         {"metadata", Json::object()}, {"status", "Failure"},
            {"code", error.code()}, {"reason", error.reason()}, {"message", error.what()}};
}

HttpResponse dispatch(Store& store, const HttpRequest& request) {
    const std::string path = request.target.substr(0, request.target.find('?'));
    if (path == "/healthz" || path == "/readyz" || path == "/livez")
        return {200, "ok", "text/plain"};
    if (path == "/version")
        return answer(200, {{"major", "1"}, {"minor", "35"}, {"gitVersion", "v1.35.0"}, {"platform", "linux/amd64"}});

    const Target target = parse(store, request.target);
    const std::string& kind = target.type->kind;
    if (request.method == "GET") {
        if (target.name.empty()) {
            if (const auto watch = target.query.find("watch"); watch != target.query.end() && watch->second != "false")
                throw KubeError(405, "MethodNotAllowed", "watch is not served by this API server");
            return answer(200, listOf(store, target));
        }
        return answer(200, *store.get(kind, target.ns, target.name));
    }
    if (request.method == "POST" && target.name.empty()) {
        Json object = bodyOf(request);
        complete(object, target);
        return answer(201, *store.create(std::move(object)));
    }
    if (request.method == "PUT" && !target.name.empty()) {
        Json object = bodyOf(request);
        complete(object, target);
        return answer(200,
                      target.subresource.empty() ? *store.update(std::move(object)) : *store.updateStatus(std::move(object)));
    }
    if (request.method == "PATCH" && !target.name.empty()) {
        if (request.contentType.find("json-patch") != std::string::npos)
            throw KubeError(415, "UnsupportedMediaType", "JSON patches are not supported, send application/merge-patch+json");
        return answer(200, *store.mergePatch(kind, target.ns, target.name, bodyOf(request)));
    }
    if (request.method == "DELETE" && !target.name.empty()) {
        std::optional<int> grace;
        if (!request.body.empty()) {
            const Json options = bodyOf(request);
            if (options.contains("gracePeriodSeconds") && options.at("gracePeriodSeconds").is_number_integer())
                grace = options.at("gracePeriodSeconds").get<int>();
        }
        store.remove(kind, target.ns, target.name, grace);
        return answer(200, {{"apiVersion", "v1"}, {"kind", "Status"}, {"metadata", Json::object()}, {"status", "Success"}});
    }
    throw KubeError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}

} // namespace

HttpResponse ApiServer::handle(const HttpRequest& request) {
    try {
        return dispatch(store_, request);
    } catch (const KubeError& error) {
        return answer(error.code(), statusOf(error));
    } catch (const nlohmann::json::exception& error) {
        return answer(400, statusOf(badRequest(error.what())));
    }
}

} // namespace rdmalab::cluster
