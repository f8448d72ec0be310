"""What a store knows, for clients of the Model Context Protocol: read only, bounded, and nothing sent."""
