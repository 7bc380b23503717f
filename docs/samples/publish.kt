// Publish a play from Kotlin, with redis.clients:jedis and org.jetbrains.kotlinx:kotlinx-serialization-json.
// The tests do not run it.
import java.time.Duration
import java.time.ZonedDateTime
import java.time.format.DateTimeFormatter
import java.util.UUID
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonObject
import redis.clients.jedis.JedisPooled
import redis.clients.jedis.StreamEntryID
import redis.clients.jedis.exceptions.JedisException

fun main() {
    val played = Duration.ofMillis(181_200)
    // The song has just ended, and time is when it began.
    val began = ZonedDateTime.now().minus(played)
    // Every try sends the same id, so that a lost reply does not create a second play.
    val payload = buildJsonObject {
        put("v", 1)
        put("id", UUID.randomUUID().toString())
        put("type", "play")
        put("time", began.format(DateTimeFormatter.ISO_OFFSET_DATE_TIME))
        put("user", "ada")
        put("source", "sample.kt/1.0")
        putJsonObject("song") {
            put("title", "Parabola")
            put("artist", "Tool")
            put("album", "Lateralus")
            put("duration_ms", 183_000)
        }
        put("ms_played", played.toMillis())
    }.toString()

    JedisPooled("127.0.0.1", 6379).use { redis ->
        for (attempt in 1..5) {
            try {
                redis.xadd("zik:{events}", StreamEntryID.NEW_ENTRY, mapOf("event" to payload))
                return
            } catch (error: JedisException) {
                if (attempt == 5) throw error
                Thread.sleep(100L shl attempt)
            }
        }
    }
}
